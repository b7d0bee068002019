"""Curvature of a loss in the outputs of each unit: what Newton's method needs beside the gradient."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Curvature(Protocol):
    """Second derivatives of each unit's loss in its outputs; `coupling` × their diagonal is never below them."""

    coupling: float

    @property
    def diagonal(self) -> Float[Tensor, "output unit"]:
        """Of each output alone."""
        ...

    def times(self, directions: Float[Tensor, "output unit"]) -> Float[Tensor, "output unit"]:
        """Products with a direction per unit."""
        ...


class SoftmaxCurvature:
    """Of the cross-entropy: diag(p) − ppᵀ, which 2 diag(p(1 − p)) majorises.

    Σ_{c<d} p_c p_d (t_c − t_d)² ≤ 2 Σ_{c<d} p_c p_d (t_c² + t_d²) = 2 Σ_c p_c (1 − p_c) t_c².
    """

    coupling = 2.0

    def __init__(self, outputs: Float[Tensor, "label unit"]) -> None:
        self._shares = outputs.softmax(0)

    @property
    def diagonal(self) -> Float[Tensor, "label unit"]:
        """p(1 − p)."""
        return self._shares * (1 - self._shares)

    def times(self, directions: Float[Tensor, "label unit"]) -> Float[Tensor, "label unit"]:
        """p ∘ (t − p·t)."""
        return self._shares * (directions - (self._shares * directions).sum(0))


class SquaredCurvature:
    """Of half the squared error: 1, wherever the outputs are."""

    coupling = 1.0

    def __init__(self, outputs: Float[Tensor, "1 unit"]) -> None:
        self._ones = torch.ones_like(outputs)

    @property
    def diagonal(self) -> Float[Tensor, "1 unit"]:
        """1."""
        return self._ones

    def times(self, directions: Float[Tensor, "1 unit"]) -> Float[Tensor, "1 unit"]:
        """The directions themselves."""
        return directions
