"""Neurons by the weights of a ridge probe of their own (Fan et al. 2023: "Ridge"): λ1 = 0, by mean |w|."""

from __future__ import annotations

from dataclasses import replace

from neuronprobe.probes import Member
from neuronprobe.rankings.evidence import Evidence
from neuronprobe.rankings.magnitude import magnitude
from neuronprobe.types import Ranking


def ridge(evidence: Evidence, l2: float = 1e-3) -> Ranking:
    """Trains one probe with λ1 = 0 and λ2 = `l2` by the job's `fit`, on the evidence's weighting."""
    member = Member(0.0, l2, evidence.seed, weights=evidence.weights)
    (probe,) = evidence.fit([member], evidence.train)
    return replace(magnitude(replace(evidence, probe=probe)), name="ridge")
