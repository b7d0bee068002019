"""Where the salient neurons lie, and for what."""

from __future__ import annotations

import pytorch_lightning as pl

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.minimal_set import MinimalSet
from neuronprobe.callbacks.neuron_ranking import NeuronRanking
from neuronprobe.callbacks.study import StudyCallback, earlier
from neuronprobe.probes import Fit, ProbeBank
from neuronprobe.studies import spread
from neuronprobe.types import Result


class Spread(StudyCallback):
    """Salient neurons over layers and labels; labels that share them."""

    name = "spread"
    size_setting = "size"
    needs: tuple[type[StudyCallback], ...] = (LambdaSearch, NeuronRanking)

    def __init__(self, fit: Fit, size: int | float | str = 0.05) -> None:
        """`size` is the count or share of neurons that are salient, or `minimal_set`: those of the tightest tolerance
        that a set reached.
        """
        super().__init__()
        self._size, self._solver = size, fit.solver
        if size == "minimal_set":
            self.needs = (*self.needs, MinimalSet)
        else:
            self.sizes = (size,)  # type: ignore[assignment]

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Read the ranking."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        probe, ranking = earlier(trainer, LambdaSearch).chosen, earlier(trainer, NeuronRanking).ranking
        table, train = data.split("train").neurons, data.units["train"]
        size = self._size
        if isinstance(size, str):
            minima = (minimum.k for minimum in earlier(trainer, MinimalSet).minima)
            size = next((k for k in minima if k is not None), len(table))
        return Result(tuple(spread(ranking, probe, table, data.labels.names, train, size, self._solver)))
