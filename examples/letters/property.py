"""A property: the number of a noun."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from neuronprobe.types import Sentence, Unit


class Number:
    """Of each word that has one; the others get no label, but have their row of activations all the same."""

    name, level, roles = "number", "word", (None,)

    def units(self, sentences: Iterable[Sentence]) -> Iterator[Unit]:
        """A unit is a row of activations with its label; the row is the word's place in the split."""
        row = 0
        for i, sentence in enumerate(sentences):
            for word, number in zip(sentence.words, sentence.annotations["number"], strict=True):
                if number is not None:
                    yield Unit((row,), number, word, i)
                row += 1
