"""Where the salient neurons lie, and for what."""

from __future__ import annotations

from collections.abc import Sequence

import pytorch_lightning as pl

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.minimal_set import MinimalSet
from neuronprobe.callbacks.neuron_ranking import NeuronRanking
from neuronprobe.callbacks.study import StudyCallback, earlier
from neuronprobe.probes import Fit, ProbeBank
from neuronprobe.studies import Minimum, spread
from neuronprobe.types import Result


class Spread(StudyCallback):
    """Salient neurons over layers and labels; labels that share them."""

    name = "spread"
    size_setting = "size"
    needs: tuple[type[StudyCallback], ...] = (LambdaSearch, NeuronRanking)

    def __init__(self, fit: Fit, size: int | float | str = 0.05) -> None:
        """`size` is the count or share of neurons that are salient, or `minimal_set`: those of the tightest tolerance
        that a set reached, which the rows name; none where no set reached any.
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
        size = _tightest(earlier(trainer, MinimalSet).minima) if isinstance(self._size, str) else self._size
        return Result(tuple(spread(ranking, probe, table, data.labels.names, train, size, self._solver)))


def _tightest(minima: Sequence[Minimum]) -> Minimum:
    """The minimal set of the tightest tolerance that a set reached, else of the loosest."""
    return next((minimum for minimum in minima if minimum.k is not None), minima[-1])
