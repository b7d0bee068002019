"""Ranks the neurons of the chosen probe."""

from __future__ import annotations

import pytorch_lightning as pl

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.study import StudyCallback, earlier
from neuronprobe.probes import Fit, ProbeBank
from neuronprobe.studies import ranking_rows
from neuronprobe.studies.lambda_search import Rank
from neuronprobe.types import Ranking, Result


class NeuronRanking(StudyCallback):
    """The ranking that later studies use: overall, per label, with cut-offs."""

    name = "ranking"
    size_setting = "salient"
    needs = (LambdaSearch,)
    ranking: Ranking

    def __init__(self, rank: Rank, fit: Fit, salient: float = 0.05) -> None:
        """`salient` is the count or share of neurons that are counted per layer."""
        super().__init__()
        self.sizes = (salient,)
        self._rank, self._solver, self._salient = rank, fit.solver, salient

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Rank, and tell what the ranking says."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        probe = earlier(trainer, LambdaSearch).chosen
        self.ranking = self._rank(probe.trained_weights)
        table, train = data.split("train").neurons, data.units["train"]
        rows = ranking_rows(self.ranking, probe, table, data.labels.names, train, self._salient, self._solver)
        return Result(tuple(rows))
