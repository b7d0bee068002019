"""One vector for a word from those of its subwords, or one for a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from neuronprobe.models import FrozenTransformer
from neuronprobe.types import Sentence
from tests.families import sentences
from tests.models.conftest import read_all


def spans_alone(model: FrozenTransformer, sentence: Sentence) -> list[Tensor]:
    """All subwords' last hidden states of each word, from Hugging Face on the sentence alone."""
    (piece,) = FrozenTransformer(model.name).tokenise([sentence])
    with torch.no_grad():
        state = model.network(**model.forward.inputs([piece]), output_hidden_states=True).hidden_states[2]
    return [state[0, start:end] for start, end in piece.spans]


@pytest.mark.parametrize(
    ("how", "take"),
    [
        ("first", lambda word: word[0]), ("last", lambda word: word[-1]), ("average", lambda word: word.mean(0)),
        ("max", lambda word: word.amax(0)),
    ],
)  # fmt: skip
def test_a_word_is_its_subwords_first_last_mean_or_largest(
    how: str, take: Callable[[Tensor], Tensor], tiny_bert: Path
) -> None:
    model = FrozenTransformer(str(tiny_bert), aggregation=how)
    witness = torch.stack([take(word) for sentence in sentences(5) for word in spans_alone(model, sentence)])
    torch.testing.assert_close(read_all(model, 5)[2], witness, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "special", "take"),
    [
        ("sentence_cls", False, lambda state: state[0]),
        ("sentence_mean", False, lambda state: state[1:-1].mean(0)),
        ("sentence_mean", True, lambda state: state.mean(0)),
        ("sentence_last", False, lambda state: state[-2]),
        ("sentence_last", True, lambda state: state[-1]),
    ],
)
def test_a_sentence_is_its_cls_its_mean_or_its_last_subword(
    how: str, special: bool, take: Callable[[Tensor], Tensor], tiny_bert: Path
) -> None:
    model = FrozenTransformer(str(tiny_bert), aggregation=how, special_tokens=special)
    assert model.level == "sentence"
    read = read_all(model, 5)
    for row, sentence in enumerate(sentences(5)):
        words = " ".join(sentence.words)
        with torch.no_grad():
            state = model.network(**model.tokenizer(words, return_tensors="pt"), output_hidden_states=True)
        torch.testing.assert_close(read[2][row], take(state.hidden_states[2][0]), rtol=1e-4, atol=1e-5)
