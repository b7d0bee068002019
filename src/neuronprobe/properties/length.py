"""The length of a word, a property with values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from neuronprobe.types import Sentence, Unit


class WordLength:
    """How many characters a word has."""

    roles: tuple[str | None, ...] = (None,)
    level = "word"
    has_control_task = True

    def __init__(self, name: str = "word_length") -> None:
        self.name = name

    def units(self, sentences: Iterable[Sentence]) -> Iterator[Unit]:
        """Every word of a split."""
        row = 0
        for index, sentence in enumerate(sentences):
            for word in sentence.words:
                yield Unit((row,), float(len(word)), word, index)
                row += 1
