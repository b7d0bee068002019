"""Losses as functions of each unit's outputs, up to what is linear in them: what Newton's method needs to know."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Curvature(Protocol):
    """Second derivatives of each unit's loss at its outputs; `coupling` × their diagonal is never below them.

    A loss is φ(outputs) less what is linear in them (for labels φ = log Σ exp, less the label's output): φ tells how it
    goes on from there, whatever the labels are.
    """

    coupling: float

    @property
    def diagonal(self) -> Float[Tensor, "output unit"]:
        """Of each output alone."""
        ...

    def times(self, directions: Float[Tensor, "output unit"]) -> Float[Tensor, "output unit"]:
        """Products with a direction per unit."""
        ...

    @property
    def slopes(self) -> Float[Tensor, "output unit"]:
        """∇φ at the outputs."""
        ...

    def excess(self, way: Float[Tensor, "output unit"]) -> Float[Tensor, " unit"]:
        """By how much φ at the end of a way is above its tangent at the outputs: φ(u + t) − φ(u) − ∇φ(u)·t."""
        ...


class SoftmaxCurvature:
    """Of the cross-entropy: diag(p) − ppᵀ, which 2 diag(p(1 − p)) majorises.

    Σ_{c<d} p_c p_d (t_c − t_d)² ≤ 2 Σ_{c<d} p_c p_d (t_c² + t_d²) = 2 Σ_c p_c (1 − p_c) t_c².
    """

    coupling = 2.0

    def __init__(self, outputs: Float[Tensor, "label unit"]) -> None:
        self._logs = outputs.log_softmax(0)
        self._shares = self._logs.exp()

    @property
    def diagonal(self) -> Float[Tensor, "label unit"]:
        """p(1 − p)."""
        return self._shares * (1 - self._shares)

    def times(self, directions: Float[Tensor, "label unit"]) -> Float[Tensor, "label unit"]:
        """p ∘ (t − p·t)."""
        return self._shares * (directions - (self._shares * directions).sum(0))

    @property
    def slopes(self) -> Float[Tensor, "label unit"]:
        """p."""
        return self._shares

    def excess(self, way: Float[Tensor, "label unit"]) -> Float[Tensor, " unit"]:
        """log Σ p exp(t) − p·t."""
        return (self._logs + way).logsumexp(0) - (self._shares * way).sum(0)


class SquaredCurvature:
    """Of half the squared error: 1, wherever the outputs are."""

    coupling = 1.0

    def __init__(self, outputs: Float[Tensor, "1 unit"]) -> None:
        self._outputs, self._ones = outputs, torch.ones_like(outputs)

    @property
    def diagonal(self) -> Float[Tensor, "1 unit"]:
        """1."""
        return self._ones

    def times(self, directions: Float[Tensor, "1 unit"]) -> Float[Tensor, "1 unit"]:
        """The directions themselves."""
        return directions

    @property
    def slopes(self) -> Float[Tensor, "1 unit"]:
        """The outputs."""
        return self._outputs

    def excess(self, way: Float[Tensor, "1 unit"]) -> Float[Tensor, " unit"]:
        """½ t²."""
        return way[0].square() / 2
