"""Solver `proximal`: λ1 out of the loss, a proximal step after the optimizer's. Exact zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neuronprobe.probes.penalty import soft_threshold
from neuronprobe.probes.solvers.adam import Adam


@dataclass(frozen=True)
class Proximal(Adam):
    """Each weight shrinks by λ1 times the step that the optimizer took for it, and stops at zero."""

    optimizers: ClassVar[tuple[str, ...]] = ("adam", "sgd")

    def in_loss(self, l1: Float[Tensor, " probe"]) -> Float[Tensor, " probe"]:
        """None."""
        return l1 * 0

    @torch.no_grad()
    def finish(self, optimizer: torch.optim.Optimizer, weights: nn.Parameter, l1: Float[Tensor, " probe"]) -> None:
        """λ1's threshold, scaled per weight by the step that the optimizer took for it."""
        step = self.lr * l1[:, None, None]
        if self.optimizer == "adam":
            state, options = optimizer.state[weights], optimizer.param_groups[0]
            correction = 1 - options["betas"][1] ** float(state["step"])
            step = step / ((state["exp_avg_sq"] / correction).sqrt() + options["eps"])
        weights.copy_(soft_threshold(weights, step))
