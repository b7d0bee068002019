"""Neurons by mean |w| over labels (Antverg and Belinkov 2022, appendix A.1: their "Linear").

JMLR 2023 (table 2, "Wt. Mag.") says no more than "weight magnitude".
"""

from __future__ import annotations

from neuronprobe.rankings.evidence import Evidence
from neuronprobe.types import Ranking


def magnitude(evidence: Evidence) -> Ranking:
    """Heaviest first; neurons of zero weight are not earned. `score` is the mean |w|.

    Not invariant to scale: weights scale against the neuron's.
    """
    return Ranking.from_scores("magnitude", evidence.probe_weights().detach().double().abs(), evidence.seed)
