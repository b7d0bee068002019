"""The oracle: a probe with all neurons (EMNLP 2020 section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.probes import Probe, Score, score
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.types import Result, Row


def oracle(probe: Probe, splits: Mapping[str, Split], seed: int, solver: str) -> Result:
    """Accuracy and macro-F1 of a probe on each split; intervals on test."""
    rows, correct = [], {}
    for name, split in splits.items():
        found = score([probe], split)
        low = high = None
        if name == "test":
            low, high = Bootstrap(found.units, seed).accuracy(found.correct)[0].tolist()
            correct = {"units": found.units, "oracle": found.correct[0]}
        common: dict[str, Any] = {"solver": solver, "task": "property", "mode": "trained", "set": "all", "split": name}
        place: dict[str, Any] = {
            "k": len(split.neurons),
            "share": 1.0,
            "l1": probe.l1,
            "l2": probe.l2,
            "seed": probe.seed,
        }
        rows.append(Row("oracle", "accuracy", float(found.accuracy[0]), low=low, high=high, **common, **place))
        rows.append(Row("oracle", "macro_f1", float(macro_f1(found)[0]), **common, **place))
    return Result(tuple(rows), correct)


def macro_f1(found: Score) -> Float[Tensor, " probe"]:
    """Mean F1 over the labels that occur in the split."""
    true = found.true_positives.double()
    occurs = (found.true_positives + found.false_negatives)[0] > 0
    f1 = 2 * true / (2 * true + found.false_positives + found.false_negatives).clamp_min(1)
    return f1[:, occurs].mean(1) if occurs.any() else torch.zeros(len(f1))
