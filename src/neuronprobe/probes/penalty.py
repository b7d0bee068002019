"""The elastic-net penalty λ1‖θ‖₁ + λ2‖θ‖²₂ of each member (EMNLP 2020 section 3), summed over members."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def elastic_net(
    weights: Float[Tensor, "probe label neuron"], l1: Float[Tensor, " probe"], l2: Float[Tensor, " probe"]
) -> Float[Tensor, ""]:
    """The penalty; its gradient is λ1 sign(θ) + 2 λ2 θ (0 where θ is 0)."""
    penalty: Tensor = _ElasticNet.apply(weights, l1[:, None, None], l2[:, None, None])
    return penalty


class _ElasticNet(torch.autograd.Function):
    """One fused gradient instead of autograd's chain: weights are large and the step is memory-bound."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, l1: Tensor, l2: Tensor) -> Tensor:
        ctx.save_for_backward(weights, l1, l2)
        flat = weights.flatten(1)
        penalty: Tensor = (flat.norm(1, dim=1) * l1.flatten() + flat.norm(2, dim=1) ** 2 * l2.flatten()).sum()
        return penalty

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        weights, l1, l2 = ctx.saved_tensors
        gradient = torch.addcmul(weights.sign().mul_(l1), weights, l2, value=2).mul_(gradients[0])
        return gradient, None, None
