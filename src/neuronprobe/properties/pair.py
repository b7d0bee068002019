"""Dependency pairs (JMLR 2023 section 3.2): head and modifier side by side, labelled with their relation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from neuronprobe.errors import InputError
from neuronprobe.properties.selection import LabelSelection
from neuronprobe.types import Sentence, Unit


class DependencyPair:
    """The relation between a word and its head: a unit is two rows of the store, every neuron is there in two roles.

    The root has no head and is no unit. `labels` is the column of relations, `heads` that of heads (a word's position
    in its sentence from 1, 0 for the root). What the control task counts as the same thing is the pair of forms.
    """

    roles: tuple[str | None, ...] = ("head", "modifier")
    level = "word"
    has_control_task = True

    def __init__(
        self, name: str = "dependency_pair", labels: str = "deprel", heads: str = "head", **selection: Any
    ) -> None:
        """`selection` are arguments of `LabelSelection`."""
        self.name, self._columns, self.selection = name, (labels, heads), LabelSelection(**selection)

    def units(self, sentences: Iterable[Sentence]) -> Iterator[Unit]:
        """The units of a split. Raises InputError where a column is missing, or a head is no word of its sentence."""
        start = 0
        for index, sentence in enumerate(sentences):
            labels, heads = (self._column(sentence, name) for name in self._columns)
            for i, (label, head) in enumerate(zip(labels, heads, strict=True)):
                if label is not None and head not in (None, "0"):
                    h = self._position(sentence, i, head)
                    kind = f"{sentence.words[h]} {sentence.words[i]}"
                    yield Unit((start + h, start + i), label, kind, index)
            start += len(sentence.words)

    def _column(self, sentence: Sentence, name: str) -> tuple[str | None, ...]:
        if (found := sentence.annotations.get(name)) is None:
            known = ", ".join(sentence.annotations)
            raise InputError(f"property must read columns {known} (those of the corpus), got {name!r}.")
        return found

    def _position(self, sentence: Sentence, i: int, head: str | None) -> int:
        if head is None or not head.isdecimal() or not 1 <= int(head) <= len(sentence.words) or int(head) == i + 1:
            raise InputError(
                f"the head of word {i + 1} in sentence {sentence.id!r} must be another word of 1 to "
                f"{len(sentence.words)}, or 0, got {head!r}; correct the corpus."
            )
        return int(head) - 1
