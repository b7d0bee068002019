"""F statistic of the analysis of variance over labels (Gurnee et al. 2023: "f_stat")."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.moments import Moments
from neuronprobe.types import Ranking

LEAST_WITHIN = 1e-12
"""Variance within labels below this share of all variance is rounding: the neuron tells the labels without error."""


@reads_no_probe
def f_statistic(evidence: Evidence) -> Ranking:
    """Largest F first; `score` is F, the largest float where nothing varies within labels.

    A label's own order is by the share of the variance that telling it from the rest explains. Invariant to shift and
    scale. Neurons whose means do not differ are not earned.
    """
    moments = evidence.moments("f_statistic")
    explained = _share(moments, (moments.counts[:, None] * moments.centred.square()).sum(0))
    n_labels = int(moments.there.sum())
    freedom = (moments.total - n_labels) / (n_labels - 1)
    within = torch.where(1 - explained > LEAST_WITHIN, 1 - explained, 0.0)
    f = (freedom * explained / within).clamp_max(torch.finfo(torch.float64).max)
    f = torch.where(explained > 0, f, 0.0)
    own = _share(moments, moments.counts[:, None] * moments.centred * moments.from_rest)
    return Ranking.from_scores("f_statistic", f, evidence.seed, own)


def _share(moments: Moments, between: Float[Tensor, "*label neuron"]) -> Float[Tensor, "*label neuron"]:
    """Of all squared deviations; 0 for a constant neuron."""
    squares = moments.total * moments.variance
    return torch.where(squares > 0, between / squares.clamp_min(torch.finfo(torch.float64).tiny), 0.0).clamp(0, 1)
