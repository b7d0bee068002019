"""Mean select (Fan et al. 2023, section 3): a label's mean less that of all other units, over the neuron's range."""

from __future__ import annotations

import torch

from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.ordering import mean_over
from neuronprobe.types import Ranking


@reads_no_probe
def mean_select(evidence: Evidence) -> Ranking:
    """Largest mean over labels of |μ(label) − μ(rest)| / (max − min) first; `score` is that mean, from 0 to 1.

    Maximum and minimum are over all of train, as in the authors' code (their text: over the label's own words). The
    paper ranks for one label. Invariant to shift and scale. Constant neurons are not earned.
    """
    moments = evidence.moments("mean_select")
    own = moments.from_rest.abs() / torch.where(moments.varies, moments.high - moments.low, 1.0)
    return Ranking.from_scores("mean_select", mean_over(moments.there, own), evidence.seed, own)
