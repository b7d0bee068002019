"""Intersection over union of where a neuron fires and where a label is (Bau et al. 2017; Mu and Andreas 2020)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuronprobe.errors import InputError, number
from neuronprobe.rankings.columns import by_neuron
from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.types import Ranking


@reads_no_probe
def iou(evidence: Evidence, quantile: float | None = 0.005, threshold: float | None = None) -> Ranking:
    """Largest |fires ∧ label| / |fires ∨ label| of the best label first; `score` is that, from 0 to 1.

    A neuron fires above its own upper `quantile` over train (0.5 %), or above one `threshold` for all (0 for units
    behind a ReLU). Neurons that never fire are not earned. Invariant to shift and (positive) scale, by quantile.
    """
    if (quantile is None) == (threshold is None):
        raise InputError(
            f"ranking.iou.quantile or ranking.iou.threshold must be given, and not both, got {quantile!r} and "
            f"{threshold!r}; set the other to null."
        )
    share = None if quantile is None else number("ranking.iou.quantile", quantile, 0, 1)
    fixed = number("ranking.iou.threshold", threshold) if share is None else 0.0
    there = evidence.labels_to_tell_apart("iou")
    labels, weights = evidence.train.units.labels.numpy(), evidence.unit_weights.double().numpy()
    totals = np.bincount(labels, weights, len(there))

    def score(values: NDArray[np.float32]) -> NDArray[np.float64]:
        fires = values > (fixed if share is None else upper_quantile(values, weights, share))
        both = np.bincount(labels[fires], weights[fires], len(there))
        either = totals + both.sum() - both
        return np.asarray(np.divide(both, either, out=np.zeros(len(there)), where=either > 0))

    own = by_neuron(evidence.train, len(there), score)
    return Ranking.from_scores("iou", own.amax(0), evidence.seed, own)


def upper_quantile(values: NDArray[np.float32], weights: NDArray[np.float64], share: float) -> np.float32:
    """The least value such that units of at most this share of the weight lie above it."""
    order = np.argsort(-values)
    reached = np.cumsum(weights[order])
    position = np.searchsorted(reached, share * reached[-1] * (1 + 1e-12), side="right")
    return np.float32(values[order[min(position, len(order) - 1)]])
