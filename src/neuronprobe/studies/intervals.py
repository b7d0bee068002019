"""Intervals: bootstrap over the sentences of a split (units of a sentence are not independent)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

RESAMPLES = 1000
LEVEL = 0.95


class Bootstrap:
    """Percentile intervals at 95 %. The same resamples serve every probe, so differences are paired."""

    def __init__(self, units: Int[Tensor, " sentence"], seed: int, resamples: int = RESAMPLES) -> None:
        n = len(units)
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randint(n, (resamples, n), generator=generator)
        times = torch.zeros(resamples, n, dtype=torch.float64)
        self._times = times.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
        self._total = (self._times @ units.double()).clamp_min(1)

    def accuracies(self, correct: Int[Tensor, "probe sentence"]) -> Float[Tensor, "resample probe"]:
        """Accuracy of each probe in each resample."""
        return (self._times @ correct.double().T) / self._total[:, None]

    def accuracy(self, correct: Int[Tensor, "probe sentence"]) -> Float[Tensor, "probe 2"]:
        """Low and high end for each probe."""
        return _ends(self.accuracies(correct))

    def combined(
        self, correct: Int[Tensor, "probe sentence"], weights: Float[Tensor, "number probe"]
    ) -> Float[Tensor, "number 2"]:
        """Low and high end of each Σ weight · accuracy over the probes (a mean, a difference, an area)."""
        return _ends(self.accuracies(correct) @ weights.T)

    def difference(self, first: Int[Tensor, " sentence"], others: Int[Tensor, "draw sentence"]) -> Float[Tensor, " 2"]:
        """Low and high end of accuracy(first) − mean accuracy(others), paired."""
        return self.mean_difference(first[None], others)

    def mean_difference(
        self, first: Int[Tensor, "draw sentence"], others: Int[Tensor, "other sentence"]
    ) -> Float[Tensor, " 2"]:
        """Low and high end of mean accuracy(first) − mean accuracy(others), paired."""
        difference = self.accuracies(first).mean(1) - self.accuracies(others).mean(1)
        return _ends(difference[:, None])[0]


def _ends(values: Float[Tensor, "resample probe"]) -> Float[Tensor, "probe 2"]:
    tail = (1 - LEVEL) / 2
    return torch.quantile(values, torch.tensor([tail, 1 - tail], dtype=torch.float64), dim=0).T
