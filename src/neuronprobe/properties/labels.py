"""The label set of a property, and units as tensors."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.types import UNKNOWN, Unit, Units


@dataclass(frozen=True)
class LabelSet:
    """The labels of the training split, sorted by name: the index of a label is its position here."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, labels: Iterable[str], name: str) -> LabelSet:
        """The labels that occur. Raises InputError unless there are at least two."""
        names = tuple(sorted(set(labels)))
        if len(names) < 2:
            raise InputError(
                f"property {name} must have at least 2 labels in train, got {len(names)}"
                f"{': ' + names[0] if names else ''}; choose another property or corpus."
            )
        return cls(names)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def index(self, label: str) -> int:
        """The index of a label, or UNKNOWN where train lacks it."""
        return self._positions.get(label, UNKNOWN)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}


@dataclass(frozen=True)
class Collected:
    """The units of a split as tensors, before the label set of train is known: `labels` index `names`.

    Equal types share one string: 2 million words take 16 MB of references.
    """

    rows: Int[Tensor, "unit part"]
    labels: Int[Tensor, " unit"]
    names: tuple[str, ...]
    sentences: Int[Tensor, " unit"]
    types: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def unknown(self, labels: LabelSet) -> Counter[str]:
        """How often each label occurs that train lacks."""
        counts = dict(zip(self.names, torch.bincount(self.labels, minlength=len(self.names)).tolist(), strict=True))
        return Counter({name: n for name, n in counts.items() if labels.index(name) == UNKNOWN})

    def units(self, labels: LabelSet, n_sentences: int) -> Units:
        """With train's label indices; a label that train lacks becomes UNKNOWN or less, and is never remapped."""
        unknown = {name: UNKNOWN - i for i, name in enumerate(sorted(self.unknown(labels)))}
        index = torch.tensor([unknown.get(name, labels.index(name)) for name in self.names], dtype=torch.long)
        return Units(self.rows, index[self.labels], self.sentences, self.types, n_sentences)


def collect(units: Iterable[Unit]) -> Collected:
    """Units as tensors, in one pass; no unit stays in memory."""
    rows, labels, sentences = array("q"), array("q"), array("q")
    names: dict[str, int] = {}
    kinds: dict[str, str] = {}
    types = []
    parts = 1
    for unit in units:
        rows.extend(unit.rows)
        parts = len(unit.rows)
        labels.append(names.setdefault(unit.label, len(names)))
        sentences.append(unit.sentence)
        types.append(kinds.setdefault(unit.type, unit.type))
    return Collected(_tensor(rows).view(-1, parts), _tensor(labels), tuple(names), _tensor(sentences), tuple(types))


def without_rows(units: Units, rows: Int[Tensor, " row"]) -> Units:
    """The units that use none of these rows of the store."""
    keep = ~torch.isin(units.rows, rows).any(1)
    types = tuple(kind for kind, kept in zip(units.types, keep.tolist(), strict=True) if kept)
    return replace(
        units, rows=units.rows[keep], labels=units.labels[keep], sentences=units.sentences[keep], types=types
    )


def _tensor(numbers: array[int]) -> Int[Tensor, " _"]:
    return torch.tensor(numbers, dtype=torch.long)
