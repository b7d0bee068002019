"""Properties with values, of words and of sentences: what else a neuron may carry, and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from neuronprobe.errors import InputError, choice
from neuronprobe.properties.sentence import SentenceProperty
from neuronprobe.properties.word import OfCounts, OfWords
from neuronprobe.types import Sentence


class WordLength(OfWords):
    """How many characters a word has."""

    def __init__(self, name: str = "word_length", **selection: Any) -> None:
        super().__init__(name, **selection)

    def labels(self, sentence: Sentence) -> Sequence[float]:
        """The length of each word."""
        return [float(len(word)) for word in sentence.words]


class Position(OfWords):
    """Where a word stands in its sentence: how many words are before it, or (relative) the share of them, 0 to 1."""

    def __init__(self, name: str = "position", of: str = "words", **selection: Any) -> None:
        """`of` is words or share."""
        super().__init__(name, **selection)
        self._is_share = choice("property.of", of, ("words", "share")) == "share"

    def labels(self, sentence: Sentence) -> Sequence[float]:
        """The position of each word."""
        last = max(1, len(sentence.words) - 1) if self._is_share else 1
        return [i / last for i in range(len(sentence.words))]


class Frequency(OfCounts):
    """How often train has the word: log10(1 + count)."""

    def __init__(self, name: str = "frequency", **selection: Any) -> None:
        super().__init__(name, **selection)

    def labels(self, sentence: Sentence) -> Sequence[float]:
        """The logarithm of each word's count."""
        return [math.log10(1 + self.counts[word]) for word in sentence.words]


class SentenceScore(SentenceProperty):
    """A label of the sentence that is a number (similarity, a rating). A sentence without one is no unit."""

    def value(self, sentence: Sentence, label: str) -> float:
        """The number. Raises InputError where the label is none."""
        try:
            value = float(label)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(
                f"{self.name} of sentence {sentence.id!r} must be a number, got {label!r}; correct it, or take "
                "property=sentence for labels."
            )
        return value
