"""The label set of a property, and units as tensors."""

from __future__ import annotations

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
    """The labels of the training split, sorted by name: the index of a label is its place here."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, units: Iterable[Unit], name: str) -> LabelSet:
        """The labels that occur. Raises InputError unless there are at least two."""
        names = tuple(sorted({unit.label for unit in units}))
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
        """The place of a label, or UNKNOWN where train lacks it."""
        return self._places.get(label, UNKNOWN)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}


def collect(units: Iterable[Unit], labels: LabelSet, n_sentences: int) -> Units:
    """Units as tensors; a label that train lacks becomes UNKNOWN or less, to be scored as wrong and never remapped."""
    units = list(units)
    unknown = {name: UNKNOWN - i for i, name in enumerate(sorted(unknown_labels(units, labels)))}
    return Units(
        rows=torch.tensor([unit.rows for unit in units]),
        labels=torch.tensor([unknown.get(unit.label, labels.index(unit.label)) for unit in units]),
        sentences=torch.tensor([unit.sentence for unit in units]),
        types=tuple(unit.type for unit in units),
        n_sentences=n_sentences,
    )


def without_rows(units: Units, rows: Int[Tensor, " row"]) -> Units:
    """The units that use none of these rows of the store."""
    keep = ~torch.isin(units.rows, rows).any(1)
    types = tuple(kind for kind, kept in zip(units.types, keep.tolist(), strict=True) if kept)
    return replace(
        units, rows=units.rows[keep], labels=units.labels[keep], sentences=units.sentences[keep], types=types
    )


def unknown_labels(units: Iterable[Unit], labels: LabelSet) -> Counter[str]:
    """How often each label occurs that train lacks."""
    return Counter(unit.label for unit in units if labels.index(unit.label) == UNKNOWN)
