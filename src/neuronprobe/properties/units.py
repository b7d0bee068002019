"""Units as tensors."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int, Real
from torch import Tensor

from neuronprobe.errors import InputError, number
from neuronprobe.types import Unit, Units


@dataclass(frozen=True)
class Collected:
    """The units of a split as tensors, before the target is known: `labels` index `names`, or are values without names.

    Equal types share one string: 2 million words take 16 MB of references.
    """

    rows: Int[Tensor, "unit part"]
    labels: Real[Tensor, " unit"]
    names: tuple[str, ...]
    sentences: Int[Tensor, " unit"]
    types: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


class Collector:
    """Units on their way to tensors: no unit stays in memory."""

    def __init__(self) -> None:
        self._rows, self._labels, self._values, self._sentences = array("q"), array("q"), array("d"), array("q")
        self._names: dict[str, int] = {}
        self._kinds: dict[str, str] = {}
        self._types: list[str] = []
        self._at = -1

    def take(self, units: Iterator[Unit], until: float = math.inf) -> bool:
        """Take those of the sentences before `until`, and one more; whether there may be others.

        Raises InputError where a number is not finite.
        """
        if self._at >= until:
            return True
        rows, labels, values, sentences = self._rows, self._labels, self._values, self._sentences
        names, kinds, types = self._names, self._kinds, self._types
        for own, label, kind, sentence in units:
            rows.extend(own)
            if isinstance(label, str):
                labels.append(names.setdefault(label, len(names)))
            else:
                values.append(number("the label of a unit that is no name", label))
            sentences.append(sentence)
            types.append(kinds.setdefault(kind, kind))
            if sentence >= until:
                self._at = sentence
                return True
        return False

    def units(self) -> Collected:
        """All of them. Raises InputError where names and numbers meet."""
        if self._names and self._values:
            raise InputError(
                f"the labels of a property must be all names or all numbers, got {len(self._labels)} names and "
                f"{len(self._values)} numbers; correct its units."
            )
        found = torch.tensor(self._values, dtype=torch.float64) if self._values else _tensor(self._labels)
        rows = _tensor(self._rows).view(-1, len(self._rows) // max(1, len(self._sentences)) or 1)
        return Collected(rows, found, tuple(self._names), _tensor(self._sentences), tuple(self._types))


def collect(units: Iterable[Unit]) -> Collected:
    """Units as tensors, in one pass. Raises InputError where names and numbers meet, or a number is not finite."""
    collector = Collector()
    collector.take(iter(units))
    return collector.units()


def without_rows(units: Units, rows: Int[Tensor, " row"]) -> Units:
    """The units that use none of these rows of the store."""
    keep = ~torch.isin(units.rows, rows).any(1)
    types = tuple(kind for kind, kept in zip(units.types, keep.tolist(), strict=True) if kept)
    return replace(
        units, rows=units.rows[keep], labels=units.labels[keep], sentences=units.sentences[keep], types=types
    )


def _tensor(numbers: array[int]) -> Int[Tensor, " _"]:
    return torch.tensor(numbers, dtype=torch.long)
