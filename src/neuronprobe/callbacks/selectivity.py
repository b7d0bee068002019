"""Whether the probe tells what neurons carry, or only what it can memorise."""

from __future__ import annotations

import pytorch_lightning as pl

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.minimal_set import MinimalSet
from neuronprobe.callbacks.neuron_ranking import NeuronRanking
from neuronprobe.callbacks.study import StudyCallback, earlier
from neuronprobe.errors import InputError, whole_number
from neuronprobe.probes import Fit, ProbeBank
from neuronprobe.studies import selectivity
from neuronprobe.types import Result


class Selectivity(StudyCallback):
    """Accuracy − control accuracy, with all neurons and with the minimal sets."""

    name = "selectivity"
    needs = (LambdaSearch, NeuronRanking, MinimalSet)

    def __init__(self, fit: Fit, draws: int = 3) -> None:
        """`draws` of the control task, at least 3: how much a draw matters is part of the result."""
        super().__init__()
        self._fit, self._draws = fit, whole_number("callbacks.selectivity.draws", draws, 3)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse a property without a control task before the work. Raises InputError."""
        super().on_fit_start(trainer, pl_module)
        prop = trainer.datamodule.prop  # type: ignore[attr-defined]
        if not getattr(prop, "has_control_task", True):
            raise InputError(
                "callbacks.selectivity must have a property whose units recur (words, pairs of words), "
                f"got {prop.name}, which has no control task; add ~callbacks.selectivity."
            )

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Train the control tasks' probes in one bank; score on dev and test."""
        data, fit = trainer.datamodule, self._fit  # type: ignore[attr-defined]
        probe = earlier(trainer, LambdaSearch).chosen
        minima = earlier(trainer, MinimalSet).minima
        ranking = earlier(trainer, NeuronRanking).ranking
        splits = {name: data.split(name) for name in ("dev", "test")}
        return selectivity(probe, minima, ranking, data.split("train"), splits, fit, self._draws, fit.seed, fit.solver)
