"""Values as a target: squared error of the value standardised on train."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.drawing import drawn
from neuronprobe.errors import InputError, choice
from neuronprobe.targets.losses import SquaredError
from neuronprobe.targets.squares import BankSquares
from neuronprobe.targets.target import Either
from neuronprobe.types import Units


@dataclass(frozen=True)
class Values:
    """The values of a property, less `mean`, over `deviation`: those of train, in the property's own unit."""

    name: str
    mean: float
    deviation: float
    metrics: ClassVar[tuple[str, ...]] = ("r2",)
    more_metrics: ClassVar[tuple[str, ...]] = ()
    denominator: ClassVar[str] = "squares"
    constant: ClassVar[str] = "mean"
    predicts: ClassVar[torch.dtype] = torch.float32
    loss: ClassVar[SquaredError] = SquaredError()

    @classmethod
    def of(cls, values: Float[Tensor, " unit"], name: str) -> Values:
        """Those of train. Raises InputError where they are all the same."""
        found = cls(name, float(values.mean()), float(values.std(correction=0)))
        if not found.deviation > 0:
            raise InputError(
                f"property {name} must have at least 2 values in train, got {found.mean:g} alone; choose another "
                "property or corpus."
            )
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The property's own: a probe has one output."""
        return (self.name,)

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def metric(self, asked: str) -> str:
        """R², if it or auto was asked for. Raises InputError for a metric of labels."""
        return choice(f"metric of {self.name}, which has values,", asked, ("auto", *self.metrics)).replace("auto", "r2")

    def labels_for(self, what: str) -> None:
        """Raises InputError: there are no labels."""
        raise InputError(f"{what} must have a property with labels, got {self.name}, which has values.")

    def either(self, of_labels: Either, of_values: Either) -> Either:
        """What is for values."""
        return of_values

    def saved(self) -> dict[str, Any]:
        """The name, and what turns outputs into the property's own unit."""
        return {"labels": [self.name], "mean": self.mean, "deviation": self.deviation}

    def encode(self, labels: Float[Tensor, " unit"], names: Sequence[str]) -> Float[Tensor, " unit"]:
        """Standardised by train."""
        return (labels - self.mean) / self.deviation

    def composition(self, units: Units) -> dict[str, float]:
        """Mean and deviation of a split, in the property's own unit."""
        values = units.labels * self.deviation + self.mean
        return {"value_mean": float(values.mean()), "value_deviation": float(values.std(correction=0))}

    def support(self, units: Units) -> list[int]:
        """All units have the one output."""
        return [len(units)]

    def totals(self, labels: Float[Tensor, " unit"], weights: Float[Tensor, " unit"] | None) -> Float[Tensor, " 1"]:
        """The weight of all units, in float64."""
        own = torch.ones(len(labels)) if weights is None else weights
        return own.double().sum()[None]

    def level(self, labels: Float[Tensor, " unit"], weights: Float[Tensor, " unit"] | None) -> Float[Tensor, " 1"]:
        """The weighted mean."""
        own = torch.ones(len(labels)) if weights is None else weights
        return (own.double() @ labels.double() / own.double().sum())[None]

    def start(self, level: Float[Tensor, " 1"]) -> Float[Tensor, " 1"]:
        """The mean itself."""
        return level

    def rest(self, level: Float[Tensor, " 1"], labels: Float[Tensor, " unit"]) -> Float[Tensor, "unit 1"]:
        """Mean − value."""
        return level - labels[:, None]

    def balanced(self, labels: Float[Tensor, " unit"], weights: Float[Tensor, " unit"]) -> Float[Tensor, " unit"]:
        """Raises InputError: there are no labels whose totals could be equal."""
        self.labels_for("probe.class_weights=balanced")
        return weights

    def unknown(self, names: Iterable[str]) -> tuple[str, ...]:
        """None: values have no names."""
        return ()

    def baselines(self, train: Units, units: Units) -> Mapping[str, Float[Tensor, " unit"]]:
        """The mean of train, and that of the type (else the former)."""
        mean = float(train.labels.mean())
        sums: dict[str, float] = defaultdict(float)
        for kind, value in zip(train.types, train.labels.tolist(), strict=True):
            sums[kind] += value
        times = Counter(train.types)
        by_word = torch.tensor([sums[kind] / times[kind] if kind in times else mean for kind in units.types])
        return {self.constant: torch.full_like(by_word, mean), "word_mean": by_word}

    def constant_outputs(self, labels: Float[Tensor, " unit"]) -> Float[Tensor, " 1"]:
        """The mean of train."""
        return labels.mean().float()[None]

    def control(self, units: Units, train: Units, seed: int) -> Float[Tensor, " unit"]:
        """A draw for each type from the values of the units of train."""
        positions = (drawn(units.types, seed) * len(train)).long()
        return train.labels.sort().values[positions]

    def predicted(
        self, products: Float[Tensor, "probe 1 unit"], bias: Float[Tensor, "probe 1 1"]
    ) -> Float[Tensor, "probe unit"]:
        """The output."""
        return products[:, 0] + bias[:, 0]

    def bank_score(self, n_probes: int, n_sentences: int, keep: bool = False) -> BankSquares:
        """Sums of nothing yet; they have their parts per sentence anyway."""
        return BankSquares(n_probes, n_sentences)

    def keeps(self, metric: str) -> bool:
        """Sums of squares are enough."""
        return False
