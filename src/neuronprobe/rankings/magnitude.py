"""Neurons by mean |w| over labels (Antverg and Belinkov 2022, appendix A.1).

JMLR 2023 (table 2, "Wt. Mag.") says no more than "weight magnitude".
"""

from __future__ import annotations

from neuronprobe.rankings.evidence import Evidence
from neuronprobe.rankings.ordering import depth, ordered, shares
from neuronprobe.types import Ranking


def magnitude(evidence: Evidence) -> Ranking:
    """Heaviest first; neurons of zero weight are not earned. `score` is the mean |w|."""
    weights = evidence.probe_weights().detach().double().abs()
    mean = weights.mean(0)
    return ordered("magnitude", (-mean,), mean > 0, mean, depth(shares(weights)), evidence.seed)
