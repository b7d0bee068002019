"""Forward passes: what the network takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from neuronprobe.models.network.subwords import SubwordSentence
from neuronprobe.types import Sentence
from tests.families import save_family
from tests.models.conftest import read_all


def test_type_ids_go_only_to_networks_that_take_them(tiny_bert: Path, tmp_path: Path) -> None:
    piece = SubwordSentence([3, 4, 5], [0, 0, 1], [], [])
    assert FrozenTransformer(str(tiny_bert)).forward.inputs([piece])["token_type_ids"].tolist() == [[0, 0, 1]]
    assert "token_type_ids" not in FrozenTransformer(str(save_family(tmp_path, "llama"))).forward.inputs([piece])


def test_a_pad_token_beyond_the_embeddings_does_no_harm_and_a_subword_does(tmp_path: Path) -> None:
    plain = FrozenTransformer(str(save_family(tmp_path, "llama")))
    before = read_all(plain)
    plain.tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    plain.tokenizer.add_tokens(["zebra"])
    plain.tokenizer.save_pretrained(tmp_path)
    model = FrozenTransformer(str(tmp_path))
    assert model.tokenizer.pad_token_id >= len(model.network.get_input_embeddings().weight)
    assert all(torch.equal(one, other) for one, other in zip(read_all(model), before, strict=True))
    with pytest.raises(InputError, match=r"must give subwords that the model has \(300\), got number 30\d \('zebra'\)"):
        model.read(model.tokenise([Sentence("x", ("zebra",), {})]))
