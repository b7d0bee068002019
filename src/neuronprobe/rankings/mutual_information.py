"""Mutual information of a neuron and the label (Gurnee et al. 2023: "mi"), from equal-frequency bins.

Gurnee et al. take the nearest-neighbour estimator of scikit-learn; this is the plug-in estimate of binned activations.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from neuronprobe.errors import whole_number
from neuronprobe.rankings.columns import by_neuron
from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.moments import moments
from neuronprobe.types import Ranking


@reads_no_probe
def mutual_information(evidence: Evidence, bins: int = 16) -> Ranking:
    """Largest I(neuron; label) first; `score` is that information, in bits.

    Each neuron's activations fall into `bins` of equal weight (and so do values, where the property has them). The
    estimate is too high by about (bins − 1)(labels − 1) / (2 N ln 2) bits, for all neurons alike. A label's own order
    is by I(neuron; is it this label?). Invariant to shift, scale and any increasing map. Constant neurons are not
    earned.
    """
    n_bins, target = whole_number("ranking.mutual_information.bins", bins, 2), evidence.train.target
    weights, of_output = evidence.unit_weights.double().numpy(), target.either(_against_rest, _information)
    labels = target.either(_labels, _binned_values)(evidence, n_bins)
    n_labels = max(len(target), int(labels.max()) + 1)

    def score(values: NDArray[np.float32]) -> NDArray[np.float64]:
        cells = labels * n_bins + equal_bins(values, weights, n_bins)
        table = np.bincount(cells, weights, n_labels * n_bins).reshape(-1, n_bins)
        table = table / table.sum()
        return np.append(of_output(table), _information(table))

    found = by_neuron(evidence.train, len(target) + 1, score).clamp_min(0)
    found = torch.where(moments(evidence.train, evidence.weights).varies, found, 0.0)
    return Ranking.from_scores("mutual_information", found[-1], evidence.seed, found[:-1])


def equal_bins(values: NDArray[np.float32], weights: NDArray[np.float64], n_bins: int) -> NDArray[np.int64]:
    """The bin of each unit, by the share of the weight that lies below it; equal values share a bin."""
    order = np.argsort(values)
    starts = np.append(True, values[order[1:]] != values[order[:-1]])
    below = np.append(0.0, np.cumsum(weights[order])[:-1])
    share = below[starts][np.cumsum(starts) - 1] / weights.sum()
    found = np.empty(len(values), dtype=np.int64)
    found[order] = np.minimum(share * n_bins + 1e-9, n_bins - 1).astype(np.int64)
    return found


def _labels(evidence: Evidence, n_bins: int) -> NDArray[np.int64]:
    evidence.labels_to_tell_apart("mutual_information")
    return np.asarray(evidence.train.units.labels)


def _binned_values(evidence: Evidence, n_bins: int) -> NDArray[np.int64]:
    return equal_bins(evidence.train.units.labels.numpy(), evidence.unit_weights.double().numpy(), n_bins)


def _information(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of rows and columns of a joint distribution, in bits."""
    return np.asarray(_terms(table, table.sum(1, keepdims=True) * table.sum(0)).sum())


def _against_rest(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row against all others, and the columns, in bits."""
    rows, columns = table.sum(1, keepdims=True), table.sum(0)
    here = _terms(table, rows * columns)
    return np.asarray((here + _terms(np.maximum(columns - table, 0), (1 - rows) * columns)).sum(1))


def _terms(joint: NDArray[np.float64], independent: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.divide(joint, independent, out=np.ones_like(joint), where=(joint > 0) & (independent > 0))
    return np.asarray(joint * np.log2(ratio))
