"""Gradient × activation of the probe: how much of the gold label's log-probability a neuron's activation moves."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.rankings.evidence import Evidence
from neuronprobe.types import Ranking


def gradient_activation(evidence: Evidence) -> Ranking:
    """Largest mean over units of |x · ∂ log p(gold label) / ∂x| first, x raw; `score` is that mean, in nats.

    Of the softmax over the labels that there are; a label's own order is by the mean over its units. Invariant to scale
    for a given probe, whose weights scale against the neuron's. Neurons that move nothing are not earned.
    """
    evidence.train.target.labels_for("ranking gradient_activation")
    train, probe, there = evidence.train, evidence.given_probe(), evidence.supported
    weights, bias = probe.weights.double().to(train.device), probe.bias.double().to(train.device)
    bias = bias.masked_fill(~there.to(train.device), -torch.inf)
    sums = torch.zeros(train.n_labels, len(evidence.table), dtype=torch.float64, device=train.device)
    for batch in train.blocks():
        values = batch.activations.double()
        moved = (values * gradient(values, batch.labels, weights, bias)).abs()
        sums.index_add_(0, batch.labels, moved * evidence.unit_weights[batch.positions.cpu()].to(moved)[:, None])
    sums = torch.where(there[:, None], sums.cpu(), 0.0)
    totals = evidence.label_totals
    own = sums / totals.clamp_min(torch.finfo(torch.float64).tiny)[:, None]
    return Ranking.from_scores("gradient_activation", sums.sum(0) / totals.sum(), evidence.seed, own)


def gradient(
    activations: Float[Tensor, "unit neuron"], labels: Tensor, weights: Float[Tensor, "label neuron"],
    bias: Float[Tensor, " label"],
) -> Float[Tensor, "unit neuron"]:  # fmt: skip
    """∂ log p(label of the unit) / ∂x of a linear softmax: its weights less the mean weights under p."""
    rest = -torch.nn.functional.linear(activations, weights, bias).softmax(1)
    rest[torch.arange(len(labels)), labels] += 1
    return rest @ weights
