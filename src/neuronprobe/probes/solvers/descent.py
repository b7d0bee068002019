"""What solvers of one elastic-net problem have in common: a point, its penalty, and how far it is from the optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.probes.penalty import violation

Point = Float[Tensor, "label neuron_and_bias"]
"""θ with the bias as its last column, which no penalty touches."""


@dataclass
class Descent:
    """Where one member is: loss and gradient of its mean loss are wanted at `point`, in float64 where it is fine."""

    point: Point
    l1: float
    l2: float
    is_fine: bool = False

    def penalty(self) -> float:
        """λ1‖θ‖₁ + λ2‖θ‖²₂ at `point`."""
        return penalty(self.point, self.l1, self.l2)

    def residual(self, gradient: Point) -> float:
        """The largest violation of the optimum's (KKT) conditions at `point`, in units of the gradient."""
        return float(violation(self.point, slope(self.point, gradient, self.l2), thresholds(self.point, self.l1)).max())

    def state(self) -> dict[str, Any]:
        """All that makes it go on where it is, as plain data and tensors."""
        return dict(vars(self))

    def to(self, device: torch.device) -> None:
        """Move what is known to a device."""
        for name, value in vars(self).items():
            setattr(self, name, value.to(device) if isinstance(value, Tensor) else value)


def penalty(point: Point, l1: float, l2: float) -> float:
    """λ1‖θ‖₁ + λ2‖θ‖²₂."""
    weights = point[:, :-1].double()
    return float(l1 * weights.abs().sum() + l2 * weights.square().sum())


def slope(point: Point, gradient: Point, l2: float) -> Point:
    """Gradient of the loss and the λ2 term."""
    ridge = 2 * l2 * point
    ridge[:, -1] = 0
    return gradient + ridge


def thresholds(point: Point, l1: float) -> Float[Tensor, " neuron_and_bias"]:
    """λ1 of each column: 0 for the bias."""
    found = point.new_full(point.shape[1:], l1)
    found[-1] = 0
    return found
