"""Pairs of sentences are two segments, as Hugging Face reads a pair of texts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from neuronprobe.types import Sentence
from tests.contracts.conftest import Folders, family  # noqa: F401

WORDS = ("the", "end", "of", "it", "ended", "too")
PAIR, WHOLE = Sentence("pair", WORDS, {}, second=4), Sentence("whole", WORDS, {})


def test_a_pair_is_read_as_hugging_face_reads_it(tiny_bert: Path) -> None:
    model = FrozenTransformer(str(tiny_bert))
    witness = model.tokenizer("the end of it", "ended too", return_tensors="pt")
    (piece,) = model.tokenise([PAIR])
    assert piece.ids == witness["input_ids"][0].tolist() and piece.type_ids == witness["token_type_ids"][0].tolist()
    with torch.no_grad():
        states = model.network(**witness, output_hidden_states=True).hidden_states
    last = torch.tensor([end - 1 for _, end in piece.spans])
    found = model.chunk([PAIR], [piece], 64).layers
    for layer, state in zip(found, states, strict=True):
        torch.testing.assert_close(layer, state[0, last], rtol=1e-5, atol=1e-5)
    assert model.tokenizer.convert_ids_to_tokens(piece.ids[piece.spans[4][0]]) == "e", "the second's first word"


def test_pairs_and_sentences_may_stand_side_by_side(tiny_bert: Path) -> None:
    model = FrozenTransformer(str(tiny_bert))
    mixed = model.tokenise([PAIR, WHOLE, PAIR])
    assert [piece.ids for piece in mixed] == [model.tokenise([one])[0].ids for one in (PAIR, WHOLE, PAIR)]
    assert len(mixed[0]) == len(mixed[1]) + 1 and [row for piece in mixed for row in piece.rows] == list(range(18))


@pytest.mark.parametrize("name", ["roberta", "xlnet", "gpt2"])
def test_words_of_a_pair_are_found_with_any_tokenizer(name: str, family: Folders) -> None:  # noqa: F811
    (piece,) = FrozenTransformer(str(family(name))).tokenise([PAIR])
    starts = [start for start, _ in piece.spans]
    assert piece.rows == list(range(6)) and starts == sorted(starts)


def test_a_pair_beyond_the_models_length_is_refused(tiny_bert: Path) -> None:
    long = Sentence("long", WORDS * 30, {}, second=4)
    for aggregation in ("last", "sentence_mean"):
        model = FrozenTransformer(str(tiny_bert), too_long="windows", aggregation=aggregation)
        with pytest.raises(InputError, match="sentence long must have at most 128 subwords"):
            model.tokenise([long])
