"""Properties with values."""

from __future__ import annotations

import math

import pytest

from neuronprobe.corpora import SPLITS
from neuronprobe.errors import InputError
from neuronprobe.properties import Frequency, LabelSelection, OfWords, Position, SentenceScore, WordLength, collect
from neuronprobe.types import Sentence

WORDS = Sentence("s", ("a", "a", "day", "!"), {})


def values(found: OfWords) -> list[float]:
    return collect(found.units([WORDS])).labels.tolist()


def test_word_length_position_and_frequency() -> None:
    assert values(WordLength()) == [1, 1, 3, 1]
    assert values(Position()) == [0, 1, 2, 3]
    assert values(Position(of="share")) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert list(Position(of="share").labels(Sentence("one", ("Yes",), {}))) == [0.0]
    frequency = Frequency()
    frequency.learn([WORDS, Sentence("t", ("day",) * 8, {})])
    assert values(frequency) == pytest.approx([math.log10(3), math.log10(3), 1, math.log10(2)])
    with pytest.raises(InputError, match=r"property\.of must be one of words, share, got 'places'"):
        Position(of="places")


def test_scores_of_sentences_are_numbers() -> None:
    sentences = [Sentence(str(i), ("a",), {}, {"label": label}) for i, label in enumerate(("3.5", None, "-1"))]
    units = list(SentenceScore().units(sentences))
    assert [(unit.rows, unit.label) for unit in units] == [((0,), 3.5), ((2,), -1.0)]
    for odd in ("good", "nan", "inf"):
        with pytest.raises(InputError, match=rf"label of sentence 'x' must be a number, got '{odd}'; .*=sentence"):
            list(SentenceScore().units([Sentence("x", ("a",), {}, {"label": odd})]))


def test_values_are_selected_by_their_types_alone() -> None:
    units = collect(WordLength().units([Sentence("s", tuple(f"w{i}" for i in range(200)), {})]))
    splits = dict.fromkeys(SPLITS, units)
    found, _ = LabelSelection(disjoint_types=True).of(splits, "word_length")
    assert sum(len(one) for one in found.values()) == 200 and all(len(one) == len(one.types) for one in found.values())
    assert LabelSelection().of(splits, "word_length") == (splits, {split: {} for split in SPLITS})
    with pytest.raises(InputError, match=r"property\.min_count.* must be left out for word_length, which has values"):
        LabelSelection(min_count=2).of(splits, "word_length")
