"""Losses of a bank: outputs and labels in, one mean per member out."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn


class CrossEntropy:
    """Mean over the units of the batch, per member."""

    def __call__(
        self,
        outputs: Float[Tensor, "unit probe label"],
        labels: Int[Tensor, "unit probe"],
        weights: Float[Tensor, "unit probe"] | None = None,
    ) -> Float[Tensor, " probe"]:
        """Losses of all members; `weights` of the units have mean 1 over the whole split, never per batch."""
        losses = nn.functional.cross_entropy(outputs.flatten(0, 1), labels.reshape(-1), reduction="none")
        losses = losses.view(labels.shape)
        return (losses if weights is None else losses * weights).sum(0) / max(1, len(labels))

    def curvatures(self, outputs: Float[Tensor, "unit probe label"]) -> Float[Tensor, "unit probe"]:
        """Σ p(1 − p) of each unit: how much it counts in a Hessian."""
        return 1 - outputs.softmax(2).square().sum(2)
