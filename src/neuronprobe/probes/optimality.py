"""How far each member of a bank is from its optimum: objective, KKT residual and exact zeros, on all of train."""

from __future__ import annotations

import torch
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.probes.bank import ProbeBank
from neuronprobe.probes.penalty import violation
from neuronprobe.probes.probe import Optimality

BLOCK = 2048


def optimality(bank: ProbeBank, train: Split) -> list[Optimality]:
    """One pass over train with gradients; in the order of the members.

    θ is optimal where the gradient of loss and λ2 term is −λ1 sign(θ), or within ±λ1 where θ is 0; the residual is
    the largest violation over weights and bias, in units of the gradient (mean cross-entropy per unit of weight).
    """
    objective = torch.zeros(len(bank.members), dtype=torch.float64)
    bank = bank.to(train.device)
    dtype = bank.bias[0].dtype
    bank.zero_grad()
    with torch.inference_mode(False), torch.enable_grad():
        for batch in train.blocks(BLOCK, "how far the probes came"):
            batch = batch._replace(activations=batch.activations.to(dtype))
            losses = bank.losses(batch) * (len(batch.labels) / len(train))
            losses.sum().backward()
            objective += losses.detach().cpu()
    found: dict[int, Optimality] = {}
    for g, positions in enumerate(bank.positions):
        weights, bias = bank.weights[g].detach(), bank.bias[g].detach()
        l1, l2 = getattr(bank, f"l1_{g}"), getattr(bank, f"l2_{g}")
        violation = _violation(bank.weights[g], l1, l2, bank.solver.squared)
        residual = torch.maximum(violation, _gradient(bank.bias[g]).abs().amax(1)).cpu()
        flat = weights.flatten(1)
        norm = flat.norm(2, dim=1)
        penalty = (l1 * flat.abs().sum(1) + l2 * norm ** (2 if bank.solver.squared else 1)).cpu()
        zeros = (flat == 0).double().mean(1).cpu() if bias.numel() else torch.zeros(len(positions))
        for position, m in enumerate(positions):
            total = float(objective[m] + penalty[position])
            found[m] = Optimality(total, float(residual[position]), float(zeros[position]), bank.members[m].l2 > 0)
    bank.zero_grad()
    return [found[m] for m in range(len(bank.members))]


def _violation(parameter: Tensor, l1: Tensor, l2: Tensor, squared: bool) -> Tensor:
    weights, l1, l2 = parameter.detach(), l1[:, None, None], l2[:, None, None]
    tiny = torch.finfo(weights.dtype).tiny
    slope = 2 * l2 if squared else l2 / weights.flatten(1).norm(2, dim=1).clamp_min(tiny)[:, None, None]
    return violation(weights, _gradient(parameter) + slope * weights, l1).flatten(1).amax(1)


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
