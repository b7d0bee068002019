"""Several properties read each split once, and find what they find alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import torch

from neuronprobe.activations.reading import AT_A_TIME, Reading
from neuronprobe.corpora import SPLITS, WordsCorpus, starter
from neuronprobe.errors import InputError
from neuronprobe.properties import FeatureProperty, OfWords, Property, SuffixProperty, WordLength, WordProperty, collect
from neuronprobe.types import Sentence


class Watched:
    """The starter treebank several times over; counts how often a split is read, and may break in one."""

    name = "watched"

    def __init__(self, breaks: str = "") -> None:
        self.times: Counter[str] = Counter()
        self.breaks = breaks

    def sentences(self, split: str) -> Iterator[Sentence]:
        self.times[split] += 1
        for _ in range(4):
            yield from starter().sentences(split)
        if self.breaks == split:
            raise InputError("the file must be whole, got half of it.")


class Rare(OfWords):
    """Words with a label that are far apart."""

    def labels(self, sentence: Sentence) -> list[str | None]:
        return [word if word in ("May", "Friday") else None for word in sentence.words]


def props() -> list[Property]:
    return [WordProperty("upos"), Rare("rare"), WordLength(), SuffixProperty(min_stems=2)]


def test_each_split_is_read_once_and_once_more_for_what_learns() -> None:
    corpus, found = Watched(), props()
    reading = Reading(corpus, found)
    for prop in found:
        contents = reading.of(prop)
        for split in SPLITS:
            alone = collect(prop.units(Watched().sentences(split)))
            own = contents[split].units
            for name in ("rows", "labels", "sentences"):
                assert torch.equal(getattr(own, name), getattr(alone, name))
            assert (own.names, own.types) == (alone.names, alone.types)
            n_words = sum(len(sentence.words) for sentence in Watched().sentences(split))
            assert (contents[split].n_words, contents[split].n_rows) == (n_words, n_words)
    assert corpus.times == {"train": 2, "dev": 1, "test": 1}
    assert contents["train"].n_sentences > AT_A_TIME, "so that properties took turns"


def test_a_property_that_fails_does_not_stop_the_others() -> None:
    bad, nowhere = WordProperty("sem"), SuffixProperty(min_stems=10_000)
    found = [bad, WordProperty("upos"), nowhere, FeatureProperty("Nothing")]
    reading = Reading(Watched(), found)
    assert len(reading.of(found[1])["test"].units)
    with pytest.raises(InputError, match=r"property must be one of lemma, .* got 'sem'"):
        reading.of(bad)
    with pytest.raises(InputError, match=r"must find suffixes with at least 10000 stems"):
        reading.of(nowhere)
    with pytest.raises(InputError, match="property Nothing must label at least one word of train"):
        reading.of(found[3])


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("n", [1, 3])
def test_a_corpus_that_breaks_is_cut_for_nobody(n: int, split: str) -> None:
    found = props()[:n]
    reading = Reading(Watched(breaks=split), found)
    for prop in found:
        with pytest.raises(InputError, match="got half of it"):
            reading.of(prop)


def test_a_split_without_units_is_named() -> None:
    text = [(["a", "b"], ["A", "B"])]
    prop = WordProperty("label")
    with pytest.raises(InputError, match="property label must label at least one word of test, got none"):
        Reading(WordsCorpus(text, text, [(["a"], [None])]), [prop]).of(prop)
