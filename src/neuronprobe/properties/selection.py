"""Which units are taken, by their labels and types; counted, and drawn by a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import compress

import torch
from jaxtyping import Bool
from torch import Tensor

from neuronprobe.drawing import drawn
from neuronprobe.errors import InputError, whole_number
from neuronprobe.properties.units import Collected

TRAIN_TYPES = 0.8
"""The share of the types that train has with `disjoint_types`."""
Splits = Mapping[str, Collected]
Counts = dict[str, dict[str, int]]


@dataclass(frozen=True)
class LabelSelection:
    """Which units are taken of those that a property finds.

    Labels with fewer than `min_count` units in train are dropped in every split, or joined under the label `join_rare`.
    With `disjoint_types` no word type is in two of train, dev and test: types are drawn by `seed`, four of five
    for train. With `balanced`, so many units of each label are drawn in each split as its rarest label there has.
    More labels than half of the units of train are refused unless `allow_many_labels`; so are numbers.
    """

    min_count: int = 1
    join_rare: str | None = None
    disjoint_types: bool = False
    balanced: bool = False
    allow_many_labels: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises InputError where a setting can't be used."""
        whole_number("property.min_count", self.min_count, 1)
        whole_number("property.seed", self.seed)
        for name in ("disjoint_types", "balanced", "allow_many_labels"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"property.{name} must be true or false, got {getattr(self, name)!r}.")
        if self.join_rare is not None and (not isinstance(self.join_rare, str) or not self.join_rare):
            raise InputError(f"property.join_rare must be a label, or null, got {self.join_rare!r}.")

    def of(self, found: Splits, name: str) -> tuple[dict[str, Collected], Counts]:
        """The units that are taken, and how many are not or otherwise by what. Raises InputError where none are left,
        or their labels are too many to be labels.
        """
        if not found["train"].names and (self.min_count > 1 or self.join_rare is not None or self.balanced):
            raise InputError(
                f"property.min_count, property.join_rare and property.balanced must be left out for {name}, which has "
                "values, got one of them; they select by labels."
            )
        taken, dropped = dict(found), {split: dict[str, int]() for split in found}
        rare = {label for label, n in counts(found["train"]).items() if n < self.min_count}
        steps = (("rare", self._common), ("other_types", self._disjoint), ("unbalanced", self._balance))
        for what, step in steps:
            for split, units in taken.items():
                taken[split] = step(units, split, rare)
                if lost := len(units) - len(taken[split]):
                    dropped[split][f"{what}_units_dropped"] = lost
                if not len(taken[split]):
                    raise InputError(f"property {name} must leave units in {split}, got none but {what} ones.")
        self._check(taken["train"], name)
        return taken, dropped

    def _common(self, units: Collected, split: str, rare: set[str]) -> Collected:
        """With min_count: without the labels that are rare in train, or with these joined."""
        if self.join_rare is not None:
            return renamed(units, dict.fromkeys(rare, self.join_rare))
        index = torch.tensor([label not in rare for label in units.names], dtype=torch.bool)
        return where(units, index[units.labels]) if rare else units

    def _disjoint(self, units: Collected, split: str, rare: set[str]) -> Collected:
        if not self.disjoint_types:
            return units
        low, high = {"train": (0.0, TRAIN_TYPES), "dev": (TRAIN_TYPES, (1 + TRAIN_TYPES) / 2)}.get(
            split, ((1 + TRAIN_TYPES) / 2, 1.0)
        )
        draws = drawn(units.types, self.seed)
        return where(units, (low <= draws) & (draws < high))

    def _balance(self, units: Collected, split: str, rare: set[str]) -> Collected:
        if not self.balanced:
            return units
        n = min((n for n in counts(units).values() if n), default=0)
        order = torch.randperm(len(units), generator=torch.Generator().manual_seed(self.seed))
        keep: Bool[Tensor, " unit"] = torch.zeros(len(units), dtype=torch.bool)
        for label in range(len(units.names)):
            keep[order[units.labels[order] == label][:n]] = True
        return where(units, keep)

    def _check(self, train: Collected, name: str) -> None:
        names = [label for label, n in counts(train).items() if n]
        if self.allow_many_labels:
            return
        remedy = "or allow them with property.allow_many_labels=true"
        if len(names) > 2 and all(map(_is_number, names)) and not all(float(label).is_integer() for label in names):
            raise InputError(
                f"property {name} must have labels, got {len(names):,} numbers ({', '.join(sorted(names)[:3])}, …); "
                f"take property=score, which has values, {remedy}."
            )
        if len(names) > max(2, len(train) / 2):
            raise InputError(
                f"property {name} must have at most half as many labels as units, got {len(names):,} labels "
                f"({', '.join(repr(label) for label in sorted(names)[:3])}, …) of {len(train):,} units in train; is "
                f"the right column read? Drop rare ones with property.min_count, {remedy}."
            )


def counts(units: Collected) -> dict[str, int]:
    """How many units each label has; empty where they are values."""
    if not units.names:
        return {}
    found = torch.bincount(units.labels, minlength=len(units.names)).tolist()
    return dict(zip(units.names, found, strict=True))


def where(units: Collected, keep: Bool[Tensor, " unit"]) -> Collected:
    """The units that are kept, and the labels that these have."""
    types = tuple(compress(units.types, keep.tolist()))
    kept = replace(
        units, rows=units.rows[keep], labels=units.labels[keep], sentences=units.sentences[keep], types=types
    )
    return renamed(kept, {})


def renamed(units: Collected, names: Mapping[str, str]) -> Collected:
    """The same units; labels have their new names, and two of the same name are one."""
    if not units.names:
        return units
    used = [name for name, n in counts(units).items() if n]
    new = {name: i for i, name in enumerate(dict.fromkeys(names.get(name, name) for name in used))}
    index = torch.tensor([new.get(names.get(name, name), 0) for name in units.names], dtype=torch.long)
    return replace(units, labels=index[units.labels], names=tuple(new))


def _is_number(label: str) -> bool:
    try:
        return float(label) == float(label)
    except ValueError:
        return False
