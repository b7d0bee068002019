"""Properties of single words: a word is a row of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from neuronprobe.errors import InputError
from neuronprobe.properties.selection import LabelSelection
from neuronprobe.types import Sentence, Unit


class OfWords:
    """A property whose units are words: a subclass says what the labels of a sentence's words are."""

    roles: tuple[str | None, ...] = (None,)
    """One entry for each row of a unit: the role of its neurons."""
    level = "word"
    """What a row of the store is."""
    has_control_task = True
    """Whether units have types that recur, for random labels to be memorised (the label of a sentence has none)."""

    def __init__(self, name: str, **selection: Any) -> None:
        """`selection` are arguments of `LabelSelection`."""
        self.name, self.selection = name, LabelSelection(**selection)

    def labels(self, sentence: Sentence) -> Sequence[str | float | None]:
        """A label, or a value, for each word of a sentence; None where a word is no unit."""
        raise NotImplementedError

    def units(self, sentences: Iterable[Sentence]) -> Iterator[Unit]:
        """The units of a split. Raises InputError where the corpus has not what is read."""
        row = 0
        make = tuple.__new__  # Unit(…) in half the time: there are millions
        for index, sentence in enumerate(sentences):
            for word, label in zip(sentence.words, self.labels(sentence), strict=True):
                if label is not None:
                    yield make(Unit, ((row,), label, word, index))
                row += 1


class OfCounts(OfWords):
    """A property that goes by how often train has a word."""

    counts: Mapping[str, int] = Counter()
    """Of the words of train, once they are learnt."""

    def learn(self, sentences: Iterable[Sentence]) -> None:
        """Count the words of train."""
        self.counts = Counter(word for sentence in sentences for word in sentence.words)


class WordProperty(OfWords):
    """A column of the corpus (upos, xpos, …). A word without label is no unit."""

    def __init__(self, name: str = "label", **selection: Any) -> None:
        super().__init__(name, **selection)

    def labels(self, sentence: Sentence) -> Sequence[str | None]:
        """The column. Raises InputError if the corpus has no such."""
        return column(sentence, self.name)


def column(sentence: Sentence, name: str) -> Sequence[str | None]:
    """A column of a sentence. Raises InputError, naming those that there are, if it is none of them."""
    if (found := sentence.annotations.get(name)) is None:
        known = ", ".join(sentence.annotations) or "none"
        raise InputError(
            f"property must be one of {known} (the columns of the corpus), got {name!r}; any of them is "
            "property=column property.name=NAME."
        )
    return found
