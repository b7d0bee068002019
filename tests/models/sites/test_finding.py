"""The modules of sites are found, or the lack of one is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from tests.families import save_family
from tests.models.conftest import read_all


def test_any_module_can_be_a_site_beside_others(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites=["residual", r"h\.(\d+)\.mlp\.act", "h.1.ln_2"])
    segments = [(s.site, s.layer, s.width) for s in model.neurons.segments]
    assert segments == [
        *(("residual", layer, 32) for layer in range(4)), *(("act", layer, 48) for layer in (1, 2, 3)), ("ln_2", 2, 32)
    ]  # fmt: skip
    acts = read_all(model)[4:7]
    inputs = read_all(FrozenTransformer(gpt2, sites="mlp"))
    assert all(torch.equal(one, other) for one, other in zip(acts, inputs, strict=True)), "dropout does nothing"


def test_what_is_behind_the_last_block_is_of_the_last_layer(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites=["residual", {"name": "final", "pattern": "ln_f"}, "h.0.mlp"])
    assert [(s.site, s.layer) for s in model.neurons.segments[4:]] == [("final", 3), ("mlp_output", 1)]
    read = read_all(model)
    assert torch.equal(read[3], read[4]), "two sites may be the same tensor"
    with pytest.raises(InputError, match=r"must have a layer of site final \(3\)"):
        _ = FrozenTransformer(gpt2, sites={"name": "final", "pattern": "ln_f"}, layers=0).layer_sites
    with pytest.raises(InputError, match="drop"):
        _ = FrozenTransformer(gpt2, sites="drop.x").layer_sites
    embeddings = FrozenTransformer(gpt2, sites={"name": "static", "pattern": "wte"})
    assert [(s.site, s.layer) for s in embeddings.neurons.segments] == [("static", 0)]


def test_a_site_needs_a_vector_for_each_subword(tiny_bert: Path) -> None:
    with pytest.raises(InputError, match=r"output of pooler\.dense must be a tensor of activations of each subword"):
        _ = FrozenTransformer(str(tiny_bert), sites="pooler.dense").layer_sites


def test_two_modules_of_a_layer_are_no_site(gpt2: str) -> None:
    with pytest.raises(InputError, match=r"one module in each layer, got h\.0\.ln_1, h\.0\.ln_2 in layer 1"):
        _ = FrozenTransformer(gpt2, sites=r"h\.(\d+)\.ln_.").layer_sites


def test_a_module_that_is_never_called_is_no_site(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites="h.0.idle")
    model.network.get_submodule("h.0").add_module("idle", nn.Identity())
    with pytest.raises(InputError, match=r"got h\.0\.idle, which is never called"):
        _ = model.layer_sites


def test_a_last_layer_of_another_width_is_read(tmp_path: Path) -> None:
    """As OPT-350m has it: the stream is projected behind the last block."""
    save_family(tmp_path, "opt", word_embed_proj_dim=16, do_layer_norm_before=False)
    assert [s.width for s in FrozenTransformer(str(tmp_path)).neurons.segments] == [32, 32, 32, 16]
