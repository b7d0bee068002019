"""Annotated words in memory, for those who have them there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neuronprobe.errors import InputError
from neuronprobe.types import Sentence

Annotated = Sequence[tuple[Sequence[str], Sequence[str | None]]]
"""(words, labels) of each sentence; a word whose label is None is no unit."""


class WordsCorpus:
    """Sentences as pairs of words and labels. The labels are the column `label`."""

    def __init__(self, train: Annotated, dev: Annotated, test: Annotated, name: str = "words") -> None:
        """Raises InputError, naming split and sentence, where there is nothing or labels are not as many as words."""
        self.name = name
        self._splits = {"train": train, "dev": dev, "test": test}
        for split, sentences in self._splits.items():
            if not len(sentences):
                raise InputError(f"{split} must hold at least one sentence, got none.")
            for i, (words, labels) in enumerate(sentences):
                if isinstance(words, str) or not words or len(words) != len(labels):
                    raise InputError(
                        f"{split}, sentence {i}, must be a list of words with as many labels, got {words!r} and "
                        f"{len(labels)} labels."
                    )

    def sentences(self, split: str) -> Iterator[Sentence]:
        """The sentences of one split."""
        for i, (words, labels) in enumerate(self._splits[split]):
            yield Sentence(f"{split}-{i + 1}", tuple(words), {"label": tuple(labels)})
