"""One feature of a word out of a column that lists several (FEATS and MISC in CoNLL-U: `Number=Sing|Person=3`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from neuronprobe.errors import InputError
from neuronprobe.properties.word import OfWords, column
from neuronprobe.types import Sentence, Unit


class FeatureProperty(OfWords):
    """The value of the feature `name` in a column of the corpus.

    A word without it is no unit, or has the label `none` where that is given.
    """

    def __init__(self, name: str, column: str = "feats", none: str | None = None, **selection: Any) -> None:
        """`selection` are arguments of `LabelSelection`. Raises InputError where a setting is no text."""
        for setting, value in (("name", name), ("column", column), ("none", none)):
            if not (isinstance(value, str) and value) and not (setting == "none" and value is None):
                raise InputError(f"property.{setting} must be text, got {value!r}; put it in quotes.")
        super().__init__(name, **selection)
        self._column, self._none = column, none

    def labels(self, sentence: Sentence) -> Sequence[str | None]:
        """The values. Raises InputError if the corpus has no such column."""
        return [self._none if found is None else self._value(found) for found in column(sentence, self._column)]

    def units(self, sentences: Iterable[Sentence]) -> Iterator[Unit]:
        """The units of a split. Raises InputError, naming the features that there are, if none has this one."""
        known: Counter[str] = Counter()
        is_there = False
        for unit in super().units(self._counted(sentences, known)):
            is_there = is_there or unit.label != self._none
            yield unit
        if known and not is_there:
            names = ", ".join(name for name, _ in known.most_common(30))
            raise InputError(f"property.name must be a feature in {self._column} ({names}), got {self.name!r}.")

    def _counted(self, sentences: Iterable[Sentence], known: Counter[str]) -> Iterator[Sentence]:
        """The sentences; the features of the first ones are counted, for who asks for another."""
        for number, sentence in enumerate(sentences):
            if number < 1000:
                cells = filter(None, column(sentence, self._column))
                known.update(part.partition("=")[0] for cell in cells for part in cell.split("|") if "=" in part)
            yield sentence

    def _value(self, cell: str) -> str | None:
        start = f"{self.name}="
        for part in cell.split("|"):
            if part.startswith(start):
                return part[len(start) :]
        return self._none
