"""Neurons by the variance of their activations: what a ranking that sees no labels gives."""

from __future__ import annotations

from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.moments import moments
from neuronprobe.types import Ranking


@reads_no_probe
def variance(evidence: Evidence) -> Ranking:
    """Largest variance over train first, in squared units of the activation; every label has the same order.

    Not invariant to scale. Constant neurons are not earned.
    """
    found = moments(evidence.train, evidence.weights).variance
    own = evidence.supported.double()[:, None] * found
    return Ranking.from_scores("variance", found, evidence.seed, own)
