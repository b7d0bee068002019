"""How far the ranking can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytorch_lightning as pl
from jaxtyping import Float
from torch import Tensor

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.neuron_ranking import NeuronRanking
from neuronprobe.callbacks.study import StudyCallback, earlier
from neuronprobe.errors import InputError, whole_number
from neuronprobe.probes import Fit, ProbeBank
from neuronprobe.studies import stability
from neuronprobe.studies.lambda_search import Rank
from neuronprobe.types import Result


class Stability(StudyCallback):
    """Trains the chosen λ again with other seeds and on resampled sentences; compares the tops of the rankings."""

    name = "stability"
    needs = (LambdaSearch, NeuronRanking)
    confidence: Mapping[int, Float[Tensor, " neuron"]]

    def __init__(
        self, rank: Rank, fit: Fit, sizes: Sequence[int | float] = (0.01, 0.05, 0.2), seeds: int = 3,
        resamples: int = 20,
    ) -> None:  # fmt: skip
        """`sizes` are counts or shares of the neurons; `seeds` is the number of banks beside the chosen probe."""
        super().__init__()
        if not isinstance(sizes, list | tuple) or not sizes:
            raise InputError(f"callbacks.stability.sizes must be a list of counts or shares, got {sizes!r}.")
        self.sizes, self._rank, self._fit = sizes, rank, fit
        self._seeds = whole_number("callbacks.stability.seeds", seeds, 1)
        self._resamples = whole_number("callbacks.stability.resamples", resamples, 2)

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Train and compare."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        probe, ranking = earlier(trainer, LambdaSearch).chosen, earlier(trainer, NeuronRanking).ranking
        found = stability(
            probe, ranking, self._rank, self._fit, data.split("train"), data.labels.names, self.sizes, self._seeds,
            self._resamples,
        )  # fmt: skip
        self.confidence = found.confidence
        return Result(found.rows)
