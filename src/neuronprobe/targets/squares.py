"""How far probes are from values: sums of squares per sentence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchmetrics
from jaxtyping import Float, Int, Real
from torch import Tensor

from neuronprobe.targets.score import Score
from neuronprobe.types import Units


@dataclass(frozen=True)
class Squares:
    """Sums of squares of some probes on one split: of value − output, and of value − the mean of the whole split.

    R² is the same in whatever unit the values are.
    """

    residual: Float[Tensor, "probe sentence"]
    total: Float[Tensor, " sentence"]

    def values(self, metric: str) -> Float[Tensor, " probe"]:
        """R² of each probe: 1 − residual / total; below 0 where the mean of the split is nearer."""
        return self.score(metric).value

    def score(self, metric: str) -> Score:
        """The same with its parts per sentence: what a probe explains of the total.

        Resampled sentences are measured from the mean of the split, not from their own: the difference is of the order
        of 1 / sentences, below what an interval can tell.
        """
        return Score(metric, self.total - self.residual, self.total)

    def predictions(self) -> dict[str, Int[Tensor, " unit"]]:
        """Nothing: outputs are not kept."""
        return {}

    def by_label(self) -> dict[str, Float[Tensor, "probe label"]]:
        """Nothing: there are no labels."""
        return {}


class BankSquares(torchmetrics.Metric):
    """Residual sums of squares of all members at once, in float64."""

    full_state_update = False
    residual: Tensor
    moments: Tensor

    def __init__(self, n_probes: int, n_sentences: int) -> None:
        super().__init__()
        for name, shape in {"residual": (n_probes, n_sentences), "moments": (3,)}.items():
            self.add_state(name, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self,
        outputs: Float[Tensor, "unit probe 1"],
        labels: Float[Tensor, " unit"],
        sentences: Int[Tensor, " unit"],
    ) -> None:
        """Add one batch."""
        self.add(outputs[..., 0], labels, sentences)

    def add(
        self,
        predicted: Real[Tensor, "unit probe"],
        labels: Float[Tensor, " unit"],
        sentences: Int[Tensor, " unit"],
    ) -> None:
        """Add what was predicted for one batch."""
        values = labels.double()
        squares = (predicted.double() - values[:, None]).square()
        self.residual += torch.zeros_like(self.residual.T).index_add_(0, sentences, squares).T
        self.moments += torch.stack([torch.ones_like(values).sum(), values.sum(), values.square().sum()])

    def compute(self) -> Float[Tensor, " probe"]:
        """R² of each member so far."""
        n, total, squares = self.moments
        explained: Tensor = 1 - self.residual.sum(1) / (squares - total.square() / n)
        return explained

    def scored(self, units: Units) -> Squares:
        """All sums so far, on the CPU; `units` are those of the split."""
        values = units.labels.double()
        squares = (values - values.mean()).square()
        total = torch.zeros(units.n_sentences, dtype=torch.float64).index_add_(0, units.sentences, squares)
        return Squares(self.residual.cpu().clone(), total)
