"""The frozen transformer hook: words against sentences run alone, settings and limits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from neuronprobe.activations.extraction import read_sentences
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from neuronprobe.types import Sentence
from tests.families import save_family, save_tokenizer, sentences
from tests.models.conftest import read_all


def alone(model: FrozenTransformer, sentence: Sentence) -> list[torch.Tensor]:
    """Hugging Face on one sentence without padding; last subwords from the words tokenised one by one."""
    lead = " " if "ByteLevel" in str(model.tokenizer.backend_tokenizer.pre_tokenizer) else ""  # words of running text
    words = [f"{lead}{word}" for word in sentence.words]
    encoding = model.tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        states = model.network(**encoding, output_hidden_states=True).hidden_states
    start = encoding.word_ids().index(0)
    lengths = [len(model.tokenizer([word], is_split_into_words=True, add_special_tokens=False)["input_ids"])
               for word in words]  # fmt: skip
    last = start + torch.tensor(lengths).cumsum(0) - 1
    return [state[0, last] for state in states]


def test_words_equal_those_of_each_sentence_run_alone(model: FrozenTransformer) -> None:
    chosen = sentences()
    layers, dropped, windows = read_sentences(model, chosen, budget=256)
    witness = [torch.cat(words) for words in zip(*(alone(model, sentence) for sentence in chosen), strict=True)]
    assert dropped == [] and windows == 0
    assert len(layers) == len(witness) == len(model.neurons.segments)
    for layer, expected in zip(layers, witness, strict=True):
        relative = (layer - expected).norm(dim=1) / expected.norm(dim=1)
        assert relative.max() < 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [1, 13]}, r"layer must be between 0 and 3 for .* \(0 = embeddings\), got 13"),
        ({"layers": []}, "a list of at least one layer"),
        ({"layers": [0], "sites": "mlp"}, r"must have a layer of site mlp \(1, 2, 3\), got \(0,\)"),
        ({"layers": "all"}, "whole number"),
        ({"aggregation": "mean"}, "model.aggregation must be one of last, first"),
        ({"compile": True, "sites": "mlp"}, "model.compile must be false"),
        ({"keep_embeddings": True}, "without model.random_weights"),
        ({"part": "head"}, "model.part must be one of encoder, decoder"),
        ({"random_weights": True, "adapter": "x"}, "must be false with model.adapter, model.quantise or"),
        ({"adapter": "nowhere"}, "model.adapter must be a folder with adapter_config.json"),
        ({"attn_implementation": "magic"}, "must be a model that transformers can load"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(options: dict[str, Any], message: str, gpt2: str) -> None:
    with pytest.raises(InputError, match=message):
        _ = FrozenTransformer(gpt2, **options).layer_sites


def test_roberta_begins_to_count_positions_behind_its_padding(tmp_path: Path) -> None:
    from transformers import RobertaConfig, RobertaModel

    size = save_tokenizer(tmp_path, "byte-level")
    config = RobertaConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=34, pad_token_id=1,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(tmp_path)
    model = FrozenTransformer(str(tmp_path), too_long="windows")
    assert model.limit == 32
    layers, _, windows = read_sentences(model, [Sentence("long", ("house",) * 60, {})], budget=256)
    assert windows > 1 and layers[1].isfinite().all()


@pytest.mark.parametrize(("family", "limit"), [("gpt2", 130), ("t5", 10**20), ("llama", 130), ("roberta", 128)])
def test_a_tokenizer_without_a_length_leaves_the_models(family: str, limit: int, tmp_path: Path) -> None:

    save_family(tmp_path, family)
    path = tmp_path / "tokenizer_config.json"
    about = json.loads(path.read_text())
    del about["model_max_length"]
    path.write_text(json.dumps(about))
    model = FrozenTransformer(str(tmp_path))
    assert model.tokenizer.model_max_length > 10**20
    assert model.limit == limit if limit < 10**20 else model.limit > limit


@pytest.mark.slow
def test_compiled_blocks_give_the_same(tiny_bert: Path) -> None:
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("this machine has no C compiler; install one to run this test")
    compiled = FrozenTransformer(str(tiny_bert), compile=True)
    for one, other in zip(read_all(compiled), read_all(FrozenTransformer(str(tiny_bert))), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
