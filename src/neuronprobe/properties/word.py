"""Properties of single words: the label stands in one column of the corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from neuronprobe.errors import InputError
from neuronprobe.types import Sentence, Unit


class WordProperty:
    """A column of the corpus (upos, xpos, …). A word is a row of the store; a word without label is no unit."""

    roles: tuple[str | None, ...] = (None,)
    """One entry for each row of a unit: the role of its neurons."""
    level = "word"
    """What a row of the store is."""
    has_control_task = True
    """Whether units have types that recur, for random labels to be memorised (the label of a sentence has none)."""

    def __init__(self, name: str = "label") -> None:
        self.name = name

    def units(self, sentences: Iterable[Sentence]) -> Iterator[Unit]:
        """The units of a split. Raises InputError if the corpus has no such column."""
        row = 0
        for index, sentence in enumerate(sentences):
            labels = sentence.annotations.get(self.name)
            if labels is None:
                known = ", ".join(sentence.annotations)
                raise InputError(f"property must be one of {known} (the columns of the corpus), got {self.name!r}.")
            for word, label in zip(sentence.words, labels, strict=True):
                if label is not None:
                    yield Unit((row,), label, word, index)
                row += 1
