"""The oracle: a probe with all neurons (EMNLP 2020 section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from neuronprobe.activations import Split
from neuronprobe.probes import METRICS, Counts, Probe, score
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.types import UNKNOWN, Result, Row


def oracle(probe: Probe, splits: Mapping[str, Split], labels: Sequence[str], seed: int, solver: str) -> Result:
    """Accuracy, macro-F1 and F1 of each label of a probe on each split; intervals on test."""
    rows: list[Row] = []
    correct = {}
    for name, split in splits.items():
        found = score([probe], split, predictions=name == "test")
        about: dict[str, Any] = {
            "solver": solver, "task": "property", "mode": "trained", "set": "all", "split": name,
            "k": len(split.neurons), "share": 1.0, "l1": probe.l1, "l2": probe.l2, "seed": probe.seed,
        }  # fmt: skip
        for metric in METRICS:
            rows.append(_row(found, metric, about, seed if name == "test" else None))
        support = torch.bincount(split.units.labels.clamp_min(UNKNOWN) + 1, minlength=len(labels) + 1).tolist()[1:]
        rows += [
            Row("oracle", "f1", float(found.f1[0, i]), label=label, flags={"support": support[i]}, **about)
            for i, label in enumerate(labels) if support[i]
        ]  # fmt: skip
        if name == "test":
            correct = {"units": found.units, "oracle": found.correct[0]}
    return Result(tuple(rows), correct)


def _row(found: Counts, metric: str, about: Mapping[str, Any], seed: int | None) -> Row:
    value, low, high = float(found.values(metric)[0]), None, None
    if seed is not None:
        score = found.score(metric)
        low, high = Bootstrap(score.denominator, seed).ends(score.numerator)[0].tolist()
    return Row("oracle", metric, value, low=low, high=high, **about)
