"""What probes are compared by: numerators and denominators per sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from neuronprobe.types import Units


@dataclass(frozen=True)
class Score:
    """What is compared: per probe and sentence a numerator, per sentence a denominator; the value is their ratio.

    Accuracy has correct and counted units. Macro-F1 is taken to first order in the sentences (infinitesimal jackknife,
    Efron 1982, section 6.1): numerators are n times each sentence's part in the value, about the value; denominators 1.
    R² has the total sum of squares less the residual one, and the total, both about the mean of the whole split.
    """

    metric: str
    numerator: Real[Tensor, "probe sentence"]
    denominator: Real[Tensor, " sentence"]

    @property
    def value(self) -> Float[Tensor, " probe"]:
        """Fractions, in float64."""
        return self.numerator.sum(1, dtype=torch.float64) / self.denominator.sum(dtype=torch.float64)


@runtime_checkable
class Scored(Protocol):
    """What some probes reach on one split, by every metric of the target."""

    def values(self, metric: str) -> Float[Tensor, " probe"]:
        """One metric of each probe, in float64."""
        ...

    def score(self, metric: str) -> Score:
        """The same with its parts per sentence."""
        ...

    def predictions(self) -> Mapping[str, Int[Tensor, " unit"]]:
        """Of the first probe: each unit's label, predicted label and sentence; none where they were not kept."""
        ...

    def by_label(self) -> Mapping[str, Float[Tensor, "probe label"]]:
        """Metrics of each label of train, by name; none where there are no labels."""
        ...


class BankScore(Protocol):
    """What all members of a bank reach, batch by batch (a `torchmetrics.Metric`)."""

    def update(
        self,
        outputs: Float[Tensor, "unit probe output"],
        labels: Real[Tensor, " unit"],
        sentences: Real[Tensor, " unit"],
    ) -> None:
        """Add the outputs for one batch."""
        ...

    def add(
        self, predicted: Real[Tensor, "unit probe"], labels: Real[Tensor, " unit"], sentences: Real[Tensor, " unit"]
    ) -> None:
        """Add what was predicted for one batch."""
        ...

    def compute(self) -> Float[Tensor, " probe"]:
        """The target's first metric of each member so far."""
        ...

    def scored(self, units: Units) -> Scored:
        """All so far, on the CPU; `units` are those of the split."""
        ...

    def reset(self) -> None:
        """Begin anew."""
        ...
