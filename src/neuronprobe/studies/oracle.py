"""The oracle: a probe with all neurons (EMNLP 2020 section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from neuronprobe.probes import METRICS, Counts, score
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.trained import Trained
from neuronprobe.types import UNKNOWN, Result, Row


def oracle(trained: Trained) -> Result:
    """Accuracy, macro-F1 and F1 of each label of the chosen probe on dev and test; intervals on test."""
    rows: list[Row] = []
    correct = {}
    for name, split in trained.held_out.items():
        found = score([trained.probe], split, predictions=name == "test")
        about = trained.about(mode="trained", set="all", split=name, k=len(trained.table), share=1.0)
        for metric in METRICS:
            rows.append(_row(found, metric, about, trained.seed if name == "test" else None))
        support = torch.bincount(split.units.labels.clamp_min(UNKNOWN) + 1, minlength=len(trained.labels) + 1).tolist()[
            1:
        ]
        rows += [
            Row("oracle", "f1", float(found.f1[0, i]), label=label, flags={"support": support[i]}, **about)
            for i, label in enumerate(trained.labels) if support[i]
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
