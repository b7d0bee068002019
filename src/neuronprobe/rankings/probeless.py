"""Probeless (Antverg and Belinkov 2022, section 3.2): neurons by how far apart the means of the labels lie.

r = Σ over pairs of labels of |mean of one − mean of the other|; no probe is read.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.rankings.evidence import Evidence
from neuronprobe.rankings.ordering import depth, ordered, shares
from neuronprobe.types import Ranking

ROUNDING = 1e-10
"""Means closer than this share of the largest are equal: a constant neuron's weighted means differ by rounding."""


def probeless(evidence: Evidence) -> Ranking:
    """Largest sum of distances first, over the labels that there are; `score` is that sum, in units of the activation.

    A label's own order is by its distances from all others. Neurons whose means do not differ are not earned. Raises
    InputError for a property with values.
    """
    evidence.train.target.labels_for("ranking=probeless")
    means = label_means(evidence)
    apart = torch.zeros(evidence.train.n_labels, len(evidence.table), dtype=torch.float64)
    there = evidence.supported
    least = ROUNDING * means.abs().amax(0)
    for label in there.nonzero().flatten().tolist():
        distances = (means[there] - means[label]).abs()
        apart[label] = torch.where(distances > least, distances, 0.0).sum(0)
    total = apart.sum(0) / 2
    return ordered("probeless", (-total,), total > 0, total, depth(shares(apart)), evidence.seed)


def label_means(evidence: Evidence) -> Float[Tensor, "label neuron"]:
    """The weighted mean activation of each label, in float64, in one pass; 0 for labels that there are not."""
    train = evidence.train
    sums = torch.zeros(train.n_labels, len(evidence.table), dtype=torch.float64, device=train.device)
    for batch in train.blocks():
        values = batch.activations.double()
        if evidence.weights is not None:
            values = values * evidence.weights[batch.positions.cpu()].double().to(values.device)[:, None]
        sums.index_add_(0, batch.labels, values)
    totals = evidence.label_totals.clamp_min(torch.finfo(torch.float64).tiny)
    return sums.cpu() / totals[:, None]
