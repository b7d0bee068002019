"""Fixtures of models: a tiny GPT-2, and models with four tokenizers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from neuronprobe.activations.extraction import read_sentences
from neuronprobe.models import FrozenTransformer
from tests.families import save_family, save_tokenizer, sentences


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_family(tmp_path_factory.mktemp("gpt2"), "gpt2"))


@pytest.fixture(params=["wordpiece", "byte-level", "unigram", "minilm"])
def model(request: pytest.FixtureRequest, tiny_bert: Path, tmp_path: Path) -> Iterator[FrozenTransformer]:
    """Models with four tokenizers."""
    if request.param == "minilm":
        yield request.getfixturevalue("minilm")
    elif request.param == "wordpiece":
        yield FrozenTransformer(str(tiny_bert))
    else:
        from transformers import BertConfig, BertModel

        size = save_tokenizer(tmp_path, request.param)
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=128,
        )  # fmt: skip
        BertModel(config).save_pretrained(tmp_path)
        yield FrozenTransformer(str(tmp_path))


def read_all(model: FrozenTransformer, n: int = 4) -> list[Tensor]:
    return read_sentences(model, sentences(n), 256).layers  # type: ignore[no-any-return]
