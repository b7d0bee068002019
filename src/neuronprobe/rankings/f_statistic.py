"""F statistic of the analysis of variance over labels (Gurnee et al. 2023: "f_stat")."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.moments import Moments, moments
from neuronprobe.types import Ranking

LEAST_WITHIN = 1e-12
"""Variance within labels below this share of all variance is rounding: the neuron tells the labels without error."""


@reads_no_probe
def f_statistic(evidence: Evidence) -> Ranking:
    """Largest F first; `score` is F, the largest float where nothing varies within labels.

    Of a property with values F is that of the linear regression on the neuron. A label's own order is by the share of
    the variance that telling it from the rest explains. Invariant to shift and scale. Neurons whose means do not differ
    are not earned.
    """
    explained, own, freedom = evidence.train.target.either(_by_labels, _by_values)(evidence)
    within = torch.where(1 - explained > LEAST_WITHIN, 1 - explained, 0.0)
    f = (freedom * explained / within).clamp_max(torch.finfo(torch.float64).max)
    return Ranking.from_scores("f_statistic", torch.where(explained > 0, f, 0.0), evidence.seed, own)


Explained = tuple[Float[Tensor, " neuron"], Float[Tensor, "label neuron"], float]
"""The share of each neuron's variance that all labels explain, that each label does, and the degrees of freedom within
over those between.
"""


def _by_labels(evidence: Evidence) -> Explained:
    found = evidence.moments("f_statistic")
    explained = _share(found, (found.counts[:, None] * found.centred.square()).sum(0))
    n_labels = int(found.there.sum())
    own = _share(found, found.counts[:, None] * found.centred * found.from_rest)
    return explained, own, (found.total - n_labels) / (n_labels - 1)


def _by_values(evidence: Evidence) -> Explained:
    """Squared correlation."""
    train, found = evidence.train, moments(evidence.train, evidence.weights)
    values, weights = train.units.labels.double(), evidence.unit_weights.double()
    rest = weights * (values - weights @ values / found.total)
    sums = torch.zeros(len(evidence.table), dtype=torch.float64)
    for batch in train.blocks():
        sums += rest[batch.positions.cpu()] @ batch.activations.cpu().double()
    squares = (rest @ values).clamp_min(torch.finfo(torch.float64).tiny)
    explained = _share(found, sums.square() / squares)
    return explained, explained[None], found.total - 2


def _share(moments: Moments, between: Float[Tensor, "*label neuron"]) -> Float[Tensor, "*label neuron"]:
    """Of all squared deviations; 0 for a constant neuron."""
    squares = moments.total * moments.variance
    return torch.where(squares > 0, between / squares.clamp_min(torch.finfo(torch.float64).tiny), 0.0).clamp(0, 1)
