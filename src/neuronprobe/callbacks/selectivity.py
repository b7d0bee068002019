"""Whether the probe tells what neurons carry, or only what it can memorise."""

from __future__ import annotations

import pytorch_lightning as pl

from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.errors import InputError, whole_number
from neuronprobe.studies import Trained, selectivity
from neuronprobe.types import Result


class Selectivity(StudyCallback):
    """Accuracy − control accuracy, with all neurons and with the minimal sets."""

    name = "selectivity"
    needs = ("minimal_set",)

    def __init__(self, draws: int = 3) -> None:
        """`draws` of the control task, at least 3: how much a draw matters is part of the result."""
        super().__init__()
        self._draws = whole_number("callbacks.selectivity.draws", draws, 3)

    def check(self, trainer: pl.Trainer) -> None:
        """Refuse a property without a control task. Raises InputError."""
        prop = trainer.datamodule.prop  # type: ignore[attr-defined]
        if not getattr(prop, "has_control_task", True):
            raise InputError(
                "callbacks.selectivity must have a property whose units recur (words, pairs of words), "
                f"got {prop.name}, which has no control task; add ~callbacks.selectivity."
            )

    def study(self, trained: Trained, **results: Result) -> Result:
        """Train the control tasks' probes in one bank; score on dev and test."""
        return selectivity(trained, results["minimal_set"].handed, self._draws)
