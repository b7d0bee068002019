"""Where the salient neurons lie, and for what."""

from __future__ import annotations

import pytorch_lightning as pl

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.neuron_ranking import NeuronRanking
from neuronprobe.callbacks.study import StudyCallback, earlier
from neuronprobe.probes import Fit, ProbeBank
from neuronprobe.studies import spread
from neuronprobe.types import Result


class Spread(StudyCallback):
    """Salient neurons over layers and labels; labels that share them."""

    name = "spread"
    size_setting = "size"
    needs = (LambdaSearch, NeuronRanking)

    def __init__(self, fit: Fit, size: int | float = 0.05) -> None:
        """`size` is the count or share of neurons that are salient."""
        super().__init__()
        self.sizes, self._size, self._solver = (size,), size, fit.solver

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Read the ranking."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        probe, ranking = earlier(trainer, LambdaSearch).chosen, earlier(trainer, NeuronRanking).ranking
        table, train = data.split("train").neurons, data.units["train"]
        return Result(tuple(spread(ranking, probe, table, data.labels.names, train, self._size, self._solver)))
