"""The elastic-net penalty λ1‖θ‖₁ + λ2‖θ‖²₂ of each member (EMNLP 2020 section 3), and its proximal step."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def elastic_net(
    weights: Float[Tensor, "probe label neuron"],
    l1: Float[Tensor, " probe"],
    l2: Float[Tensor, " probe"],
    squared: bool = True,
) -> Float[Tensor, ""]:
    """The penalty, summed over members; its gradient is λ1 sign(θ) + 2 λ2 θ (0 where θ is 0).

    With `squared` false the second term is λ2‖θ‖₂, as NeuroX has it.
    """
    penalty: Tensor = _ElasticNet.apply(weights, l1[:, None, None], l2[:, None, None], squared)
    return penalty


def soft_threshold(weights: Tensor, threshold: Tensor | float) -> Tensor:
    """The proximal step of threshold·|θ|: weights move towards 0 by `threshold` and stop there."""
    return weights.sign() * (weights.abs() - threshold).clamp_min(0)


def violation(weights: Tensor, slope: Tensor, l1: Tensor | float) -> Tensor:
    """By how much each weight violates the optimum's (KKT) conditions, in units of the gradient.

    With the slope of loss and λ2 term, θ is optimal where that is −λ1 sign(θ), or within ±λ1 where θ is 0.
    """
    return torch.where(weights == 0, (slope.abs() - l1).clamp_min(0), (slope + l1 * weights.sign()).abs())


class _ElasticNet(torch.autograd.Function):
    """One fused gradient instead of autograd's chain: weights are large and the step is memory-bound."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, l1: Tensor, l2: Tensor, squared: bool) -> Tensor:
        flat = weights.flatten(1)
        norm = flat.norm(2, dim=1)
        slope = 2 * l2 if squared else l2 / norm.clamp_min(torch.finfo(norm.dtype).tiny)[:, None, None]
        ctx.save_for_backward(weights, l1, slope)
        penalty: Tensor = (flat.norm(1, dim=1) * l1.flatten() + norm ** (2 if squared else 1) * l2.flatten()).sum()
        return penalty

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        weights, l1, slope = ctx.saved_tensors
        gradient = torch.addcmul(weights.sign().mul_(l1), weights, slope).mul_(gradients[0])
        return gradient, None, None, None
