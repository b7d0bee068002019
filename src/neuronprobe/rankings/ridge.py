"""Neurons by the weights of a ridge or lasso probe of their own (Fan et al. 2023: "Ridge", "Lasso"), by mean |w|."""

from __future__ import annotations

from dataclasses import replace

from neuronprobe.probes import Member, Probe
from neuronprobe.rankings.candidates import ridge_probe
from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.magnitude import magnitude
from neuronprobe.types import Ranking


@reads_no_probe
def ridge(evidence: Evidence, l2: float = 1e-3) -> Ranking:
    """Trains one probe with λ1 = 0 and λ2 = `l2` by the job's `fit`, on the evidence's weighting.

    Not invariant to scale, unless `fit` standardises.
    """
    return _by_magnitude("ridge", evidence, ridge_probe(evidence, "ridge", l2))


@reads_no_probe
def lasso(evidence: Evidence, l1: float = 1e-3) -> Ranking:
    """Trains one probe with λ1 = `l1` and λ2 = 0 by the job's `fit`, on the evidence's weighting.

    Fan et al. have λ1 = 0.01 in the text and 0.1 in the code, for probes of one label. Weights are exactly zero where
    the solver makes them so: `probe=exact`, `probe=proximal`. Not invariant to scale, unless `fit` standardises.
    """
    return _by_magnitude("lasso", evidence, evidence.trained([Member(l1, 0.0, evidence.seed)], "lasso")[0])


def _by_magnitude(name: str, evidence: Evidence, probe: Probe) -> Ranking:
    """By mean |w| of a probe that was trained for this ranking."""
    return replace(magnitude(replace(evidence, probe=probe)), name=name)
