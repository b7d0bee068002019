"""Average precision of one neuron as the score of a label (Suau et al. 2020: expertise; what NeuroX calls IoU)."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from neuronprobe.errors import number
from neuronprobe.rankings.columns import by_neuron
from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.ordering import depth, mean_over, ordered, shares
from neuronprobe.types import Ranking


@reads_no_probe
def average_precision(evidence: Evidence, signed: bool = True, threshold: float = 0.0) -> Ranking:
    """Largest mean over labels of the average precision first; `score` is that mean, from 0 to 1.

    Signed, a neuron that is low where the label is ranks low; otherwise the better of both signs counts. Activations
    within ±`threshold` count as 0 (NeuroX: 0.05; Suau: none). A label's own order is by how far its average precision
    lies above chance, which is the label's share. Constant neurons are not earned.
    Invariant to shift and (positive) scale, without threshold.
    """
    threshold, name = number("ranking.average_precision.threshold", threshold, 0), _name(signed)
    there = evidence.labels_to_tell_apart(name)
    precisions = partial(
        average_precisions, labels=evidence.train.units.labels.numpy(),
        weights=evidence.unit_weights.double().numpy(), n_labels=len(there),
    )  # fmt: skip

    def score(values: NDArray[np.float32]) -> NDArray[np.float64]:
        values = np.where(np.abs(values) > threshold, values, 0) if threshold else values
        return precisions(values) if signed else np.maximum(precisions(values), precisions(-values))

    own = by_neuron(evidence.train, len(there), score)
    chance = evidence.label_totals / evidence.label_totals.sum()
    above = (own - chance[:, None]).clamp_min(0)
    return _ranking(name, own, above, evidence)


def _ranking(
    name: str, own: Float[Tensor, "label neuron"], above: Float[Tensor, "label neuron"], evidence: Evidence
) -> Ranking:
    mean, varies = mean_over(evidence.supported, own), evidence.moments(name).varies
    return ordered(name, (-mean,), varies, mean, depth(shares(torch.where(varies, above, 0.0))), evidence.seed)


def _name(signed: bool) -> str:
    return "average_precision" if signed else "unsigned_average_precision"


def average_precisions(
    values: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64], n_labels: int
) -> NDArray[np.float64]:
    """Of each label against the rest, by one sort: the mean, over the label's units, of the precision among all units
    that have at least the unit's value. Equal values are one step. 0 for a label without weight.
    """
    order = np.argsort(-values)
    ends_step = np.append(values[order[1:]] != values[order[:-1]], True)
    weight = weights[order]
    reached = _at_end(ends_step, np.cumsum(weight))
    step = np.cumsum(ends_step) - ends_step
    own = np.argsort(
        labels[order].astype(np.int16 if n_labels < 1 << 15 else np.int32), kind="stable"
    )  # by label, then by value
    label, weight, step, reached = labels[order][own], weight[own], step[own], reached[own]
    totals = np.bincount(label, weight, n_labels)
    before = (np.cumsum(totals) - totals)[label]
    ends_step = np.append((label[1:] != label[:-1]) | (step[1:] != step[:-1]), True)
    hits = _at_end(ends_step, np.cumsum(weight) - before)
    precision = np.divide(hits, reached, out=np.zeros_like(hits), where=reached > 0)
    return np.bincount(label, weight * precision, n_labels) / np.maximum(totals, np.finfo(np.float64).tiny)


def _at_end(ends: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each position the value at the end of its run."""
    return values[ends][np.cumsum(ends) - ends]
