"""The oracle: a probe with all neurons (EMNLP 2020 section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuronprobe.probes import score
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.trained import Trained
from neuronprobe.targets import Scored
from neuronprobe.types import Result, Row


def oracle(trained: Trained) -> Result:
    """All metrics of the chosen probe on dev and test (of labels also F1 of each); intervals on test."""
    rows: list[Row] = []
    correct = {}
    for name, split in trained.held_out.items():
        found = score([trained.probe], split, predictions=name == "test")
        about = trained.about(mode="trained", set="all", split=name, k=len(trained.table), share=1.0)
        for metric in trained.target.metrics:
            rows.append(_row(found, metric, about, trained.seed if name == "test" else None))
        support = trained.target.support(split.units)
        rows += [
            Row("oracle", metric, float(values[0, i]), label=label, flags={"support": support[i]}, **about)
            for metric, values in found.by_label().items() for i, label in enumerate(trained.labels) if support[i]
        ]  # fmt: skip
        if name == "test":
            parts = found.score(trained.target.metrics[0])
            correct = {trained.target.denominator: parts.denominator, "oracle": parts.numerator[0]}
    return Result(tuple(rows), correct)


def _row(found: Scored, metric: str, about: Mapping[str, Any], seed: int | None) -> Row:
    value, low, high = float(found.values(metric)[0]), None, None
    if seed is not None:
        score = found.score(metric)
        low, high = Bootstrap(score.denominator, seed).ends(score.numerator)[0].tolist()
    return Row("oracle", metric, value, low=low, high=high, **about)
