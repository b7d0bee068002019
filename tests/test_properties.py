"""Units and label sets."""

from __future__ import annotations

import pytest

from neuronprobe.errors import InputError
from neuronprobe.properties import DependencyPair, WordProperty, collect
from neuronprobe.targets import Labels
from neuronprobe.types import UNKNOWN, Sentence, Units

SENTENCES = [
    Sentence("a", ("the", "cat"), {"upos": ("DET", "NOUN")}),
    Sentence("b", ("um", "sleeps", "!"), {"upos": (None, "VERB", "PUNCT")}),
]


def test_a_word_is_a_row_and_a_word_without_label_is_no_unit() -> None:
    units = list(WordProperty("upos").units(SENTENCES))
    assert [(u.rows, u.label, u.type, u.sentence) for u in units] == [
        ((0,), "DET", "the", 0), ((1,), "NOUN", "cat", 0), ((3,), "VERB", "sleeps", 1), ((4,), "PUNCT", "!", 1),
    ]  # fmt: skip


def test_a_property_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(InputError, match=r"property must be one of upos .*, got 'ner'"):
        list(WordProperty("ner").units(SENTENCES))


def test_labels_that_train_lacks_are_counted_and_never_remapped() -> None:
    units = list(WordProperty("upos").units(SENTENCES))
    labels = Labels.of([unit.label for unit in units[:2]], "upos")
    assert labels.names == ("DET", "NOUN")
    found = collect(units)
    indices = labels.encode(found.labels, found.names)
    assert indices.tolist() == [0, 1, UNKNOWN - 1, UNKNOWN]  # VERB, PUNCT
    said = labels.composition(Units(found.rows, indices, found.sentences, found.types, 2))
    assert said == {"labels": 2, "labels_train_lacks": 2, "units_with_a_label_train_lacks": 2}


def test_one_label_is_not_enough() -> None:
    with pytest.raises(InputError, match="property upos must have at least 2 labels in train, got 1: DET"):
        Labels.of([next(WordProperty("upos").units(SENTENCES)).label], "upos")


def dependent(words: str, heads: str, labels: str, identifier: str = "s") -> Sentence:
    columns = {"head": tuple(heads.split()), "deprel": tuple(None if r == "_" else r for r in labels.split())}
    return Sentence(identifier, tuple(words.split()), columns)


def test_a_dependency_pair_is_the_rows_of_head_and_modifier() -> None:
    sentences = [dependent("She sleeps well", "2 0 2", "nsubj root advmod"), dependent("Go home", "0 1", "root obl")]
    units = list(DependencyPair().units(sentences))
    assert [unit.rows for unit in units] == [(1, 0), (1, 2), (3, 4)]
    assert [unit.label for unit in units] == ["nsubj", "advmod", "obl"]
    assert [unit.type for unit in units] == ["sleeps She", "sleeps well", "Go home"]
    assert [unit.sentence for unit in units] == [0, 0, 1]
    assert collect(units).rows.shape == (3, 2)


@pytest.mark.parametrize("heads", ["4 0 2", "2 0 x", "1 0 2", "2 0 -1"])
def test_a_head_that_is_no_other_word_is_refused_by_name(heads: str) -> None:
    with pytest.raises(InputError, match=r"the head of word \d in sentence 'odd' must be another word of 1 to 3, or 0"):
        list(DependencyPair().units([dependent("She sleeps well", heads, "nsubj root advmod", "odd")]))


def test_a_corpus_without_heads_is_refused() -> None:
    with pytest.raises(InputError, match=r"property must read columns upos .*, got 'deprel'"):
        list(DependencyPair().units(SENTENCES))
