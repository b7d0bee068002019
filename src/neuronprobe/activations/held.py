"""Activations of a split that lie in memory: what `Split.of` reads."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


class HeldStore:
    """What a store gives, of activations `[unit, neuron]` at hand."""

    def __init__(self, activations: Float[Tensor, "unit neuron"]) -> None:
        """One row per unit."""
        self._activations = activations

    @property
    def gibibytes(self) -> float:
        """Size of the activations."""
        return self._activations.numel() * self._activations.element_size() / 2**30

    def to(self, device: torch.device) -> None:
        """Move them to a device."""
        self._activations = self._activations.to(device)

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self._activations.device

    def let_go(self) -> None:
        """Nothing leaves memory: they are nowhere else."""

    def gather(self, rows: Int[Tensor, "unit 1"]) -> Float[Tensor, "unit neuron"]:
        """Activations of units."""
        return self._activations[rows[:, 0].to(self.device)]
