"""Properties of whole sentences: a row of the store for each sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from neuronprobe.errors import InputError
from neuronprobe.properties.selection import LabelSelection
from neuronprobe.types import Sentence, Unit


class SentenceProperty:
    """A label of the sentence (a topic, a polarity). A sentence without label is no unit."""

    roles: tuple[str | None, ...] = (None,)
    level = "sentence"
    has_control_task = False
    """No two sentences are the same: there is no type whose random label could be memorised."""

    def __init__(self, name: str = "label", **selection: Any) -> None:
        """`selection` are arguments of `LabelSelection`."""
        self.name, self.selection = name, LabelSelection(**selection)

    def units(self, sentences: Iterable[Sentence]) -> Iterator[Unit]:
        """The units of a split. Raises InputError if the corpus has no such label."""
        for index, sentence in enumerate(sentences):
            if self.name not in sentence.labels:
                known = ", ".join(sentence.labels) or "none"
                raise InputError(f"property must be a label of sentences ({known} in this corpus), got {self.name!r}.")
            if (label := sentence.labels[self.name]) is not None:
                yield Unit((index,), self.value(sentence, label), " ".join(sentence.words), index)

    def value(self, sentence: Sentence, label: str) -> str | float:
        """What is predicted of a sentence that has this label: the label."""
        return label
