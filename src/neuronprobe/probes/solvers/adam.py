"""Solver `adam`: Adam on shuffled batches with the penalty in the loss (JMLR 2023 algorithm 1). No exact zeros."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class Adam:
    """How weights move: `optimizer` and its `lr`; without `squared` the second penalty is λ2‖θ‖₂ (NeuroX)."""

    optimizer: str = "adam"
    lr: float = 1e-3
    squared: bool = True
    optimizers: ClassVar[tuple[str, ...]] = ("adam",)
    """Those that it can use, the default first."""

    def moves(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Adam, as in the papers (or SGD); in the loss, the penalty's gradient goes through it."""
        if self.optimizer == "sgd":
            return torch.optim.SGD(parameters, lr=self.lr, fused=True)
        return torch.optim.Adam(parameters, lr=self.lr, fused=True)

    def in_loss(self, l1: Float[Tensor, " probe"]) -> Float[Tensor, " probe"]:
        """The λ1 of each member that the loss has: all of it."""
        return l1

    def finish(self, optimizer: torch.optim.Optimizer, weights: nn.Parameter, l1: Float[Tensor, " probe"]) -> None:
        """What is left to do for weights [probe, label, neuron] after the optimizer's step: nothing."""
