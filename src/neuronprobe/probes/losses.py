"""Losses of a bank: outputs and labels in, one mean per member out."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn


class CrossEntropy:
    """Mean over the units of the batch, per member."""

    def __call__(
        self, outputs: Float[Tensor, "unit probe label"], labels: Int[Tensor, " unit"]
    ) -> Float[Tensor, " probe"]:
        """Losses of all members."""
        n_units, n_probes, _ = outputs.shape
        repeated = labels[:, None].expand(n_units, n_probes).reshape(-1)
        losses = nn.functional.cross_entropy(outputs.flatten(0, 1), repeated, reduction="none")
        return losses.view(n_units, n_probes).sum(0) / max(1, n_units)
