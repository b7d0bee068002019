"""Neurons by mean |w|·σ over labels: the weight that a neuron would have if its deviation were 1.

A weight says what one unit of activation does; deviations differ strikingly between layers (Sajjad et al. 2022, TACL).
"""

from __future__ import annotations

import torch

from neuronprobe.rankings.evidence import Evidence
from neuronprobe.rankings.moments import moments
from neuronprobe.types import Ranking


def scaled_magnitude(evidence: Evidence) -> Ranking:
    """Largest first; neurons of zero weight, and constant ones, are not earned. `score` is the mean |w|·σ.

    σ is over train. Invariant to scale for a given probe, whose weights scale against the neuron's.
    """
    weights = torch.where(evidence.supported[:, None], evidence.given_probe().weights, 0.0)
    effect = weights.detach().double().abs() * moments(evidence.train, evidence.weights).variance.sqrt()
    return Ranking.from_scores("scaled_magnitude", effect.mean(0), evidence.seed, effect)
