"""Units as tensors."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
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


def collect(units: Iterable[Unit]) -> Collected:
    """Units as tensors, in one pass; no unit stays in memory.

    Raises InputError where names and numbers meet, or a number is not finite.
    """
    rows, labels, values, sentences = array("q"), array("q"), array("d"), array("q")
    names: dict[str, int] = {}
    kinds: dict[str, str] = {}
    types = []
    parts = 1
    for unit in units:
        rows.extend(unit.rows)
        parts = len(unit.rows)
        if isinstance(unit.label, str):
            labels.append(names.setdefault(unit.label, len(names)))
        else:
            values.append(number("the label of a unit that is no name", unit.label))
        sentences.append(unit.sentence)
        types.append(kinds.setdefault(unit.type, unit.type))
    if names and values:
        raise InputError(
            f"the labels of a property must be all names or all numbers, got {len(labels)} names and {len(values)} "
            "numbers; correct its units."
        )
    found = torch.tensor(values, dtype=torch.float64) if values else _tensor(labels)
    return Collected(_tensor(rows).view(-1, parts), found, tuple(names), _tensor(sentences), tuple(types))


def without_rows(units: Units, rows: Int[Tensor, " row"]) -> Units:
    """The units that use none of these rows of the store."""
    keep = ~torch.isin(units.rows, rows).any(1)
    types = tuple(kind for kind, kept in zip(units.types, keep.tolist(), strict=True) if kept)
    return replace(
        units, rows=units.rows[keep], labels=units.labels[keep], sentences=units.sentences[keep], types=types
    )


def _tensor(numbers: array[int]) -> Int[Tensor, " _"]:
    return torch.tensor(numbers, dtype=torch.long)
