"""Mean difference (Gurnee et al. 2023): a label's mean less that of all other units."""

from __future__ import annotations

from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.ordering import mean_over
from neuronprobe.types import Ranking


@reads_no_probe
def mean_difference(evidence: Evidence) -> Ranking:
    """Largest mean over labels of |μ(label) − μ(rest)| first; `score` is that mean, in units of the activation.

    The paper ranks for one label. Not invariant to scale. Constant neurons are not earned.
    """
    moments = evidence.moments("mean_difference")
    own = moments.from_rest.abs()
    return Ranking.from_scores("mean_difference", mean_over(moments.there, own), evidence.seed, own)
