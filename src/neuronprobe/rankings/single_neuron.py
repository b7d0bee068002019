"""Predictivity of one neuron (Wang et al. 2022, "Finding Skill Neurons"): is it above its mean where a label is?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.ordering import mean_over
from neuronprobe.types import UNKNOWN, Ranking


@reads_no_probe
def single_neuron(evidence: Evidence) -> Ranking:
    """Largest mean over labels of |accuracy − 1/2| on dev first; `score` is that mean, from 0 to 1/2.

    The classifier of a label is whether the activation exceeds the neuron's mean over train, or not. Its accuracy is
    balanced (the mean of both classes' recall), which is the authors' where classes are equally frequent; of a rare
    label plain accuracy would reward neurons that are seldom above their mean. Labels that dev lacks say nothing.
    Invariant to shift and (positive) scale. Neurons that predict no label are not earned.
    """
    moments = evidence.moments("single_neuron")
    above, counts = _above(evidence, moments.mean)
    n, total = counts.sum(), above.sum(0)
    occurs = moments.there & (counts > 0) & (counts < n)
    recall = above / counts.clamp_min(1)[:, None]
    false = (total - above) / (n - counts).clamp_min(1)[:, None]
    own = torch.where(occurs[:, None] & moments.varies, (recall - false).abs() / 2, 0.0)
    return Ranking.from_scores("single_neuron", mean_over(moments.there, own), evidence.seed, own)


def _above(
    evidence: Evidence, threshold: Float[Tensor, " neuron"]
) -> tuple[Float[Tensor, "label neuron"], Float[Tensor, " label"]]:
    """How many of each label's units in dev exceed each neuron's threshold; and how many units there are."""
    dev = evidence.dev
    above = torch.zeros(dev.n_labels, len(dev.neurons), dtype=torch.float64, device=dev.device)
    counts = torch.zeros(dev.n_labels, dtype=torch.float64, device=dev.device)
    for batch in dev.blocks():
        known = batch.labels > UNKNOWN
        labels, exceeds = batch.labels[known], batch.activations[known].double() > threshold.to(dev.device)
        above.index_add_(0, labels, exceeds.double())
        counts.index_add_(0, labels, torch.ones_like(labels, dtype=torch.float64))
    return above.cpu(), counts.cpu()
