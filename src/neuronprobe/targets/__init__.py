"""What a property is to a bank: its labels or its values, with loss, start, score, baselines and control task."""

from __future__ import annotations

from typing import Any

from neuronprobe.targets.counts import BankCounts, Counts
from neuronprobe.targets.curvature import Curvature
from neuronprobe.targets.labels import Labels
from neuronprobe.targets.losses import CrossEntropy, SquaredError
from neuronprobe.targets.score import Score, Scored
from neuronprobe.targets.squares import BankSquares, Squares
from neuronprobe.targets.target import Loss, Target
from neuronprobe.targets.values import Values

METRICS = ("auto", *Labels.metrics, *Values.metrics)
"""What a job can go by; auto is the target's first one."""
FIRST = {kind.denominator: kind.metrics[0] for kind in (Labels, Values)}
"""The first metric of a target, by what its denominators are called."""


def restored(saved: dict[str, Any]) -> Target:
    """Takes out of plain data what `Target.saved` put there."""
    names = saved.pop("labels")
    if "mean" in saved:
        return Values(names[0], saved.pop("mean"), saved.pop("deviation"))
    return Labels(tuple(names), saved.pop("spans", False))


__all__ = [
    "FIRST",
    "METRICS",
    "BankCounts",
    "BankSquares",
    "Counts",
    "CrossEntropy",
    "Curvature",
    "Labels",
    "Loss",
    "Score",
    "Scored",
    "SquaredError",
    "Squares",
    "Target",
    "Values",
    "restored",
]
