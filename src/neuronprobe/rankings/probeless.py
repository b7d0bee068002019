"""Probeless (Antverg and Belinkov 2022, section 3.2): neurons by how far apart the means of the labels lie.

r = Σ over pairs of labels of |mean of one − mean of the other|; no probe is read.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.types import Ranking


@reads_no_probe
def probeless(evidence: Evidence) -> Ranking:
    """Largest sum of distances first, over the labels that there are; `score` is that sum, in units of the activation.

    A label's own order is by its distances from all others. Neurons whose means do not differ are not earned. Not
    invariant to scale: of two neurons that tell the same, the one of larger values comes first.
    """
    moments = evidence.moments("probeless")
    apart = torch.zeros_like(moments.centred)
    apart[moments.there] = distances(moments.centred[moments.there])
    return Ranking.from_scores("probeless", apart.sum(0) / 2, evidence.seed, apart)


def distances(means: Float[Tensor, "label neuron"]) -> Float[Tensor, "label neuron"]:
    """For each label the sum of its distances from all others, by one sort: label i of n in ascending order lies
    (2i − n) m_i + Σ m − 2 Σ_{k<i} m_k from them.
    """
    ascending, which = means.sort(0)
    before = ascending.cumsum(0) - ascending
    n, i = len(means), torch.arange(len(means), dtype=means.dtype)[:, None]
    found = (2 * i - n) * ascending + ascending.sum(0) - 2 * before
    return torch.zeros_like(means).scatter_(0, which, found.clamp_min(0))
