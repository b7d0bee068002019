"""Top, random and bottom neurons: kept in the trained probe, or retrained alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytorch_lightning as pl

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.neuron_ranking import NeuronRanking
from neuronprobe.callbacks.study import StudyCallback, earlier
from neuronprobe.errors import InputError, choice, whole_number
from neuronprobe.probes import METRICS, Fit, ProbeBank
from neuronprobe.studies import ablation, retraining
from neuronprobe.types import Result


class _Subsets(StudyCallback):
    needs = (LambdaSearch, NeuronRanking)

    def __init__(
        self,
        fit: Fit,
        sizes: Sequence[int | float] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
        draws: int = 5,
        metric: str = "accuracy",
    ) -> None:
        """`sizes` are counts (int) or shares (float) of the neurons; `draws` random sets of each size.

        `metric` (accuracy or macro_f1) is what has intervals and differences, beside accuracy.
        """
        super().__init__()
        self._fit, self._draws = fit, whole_number(f"callbacks.{self.name}.draws", draws, 1)
        if not isinstance(sizes, list | tuple) or not sizes:
            raise InputError(f"callbacks.{self.name}.sizes must be a list of counts or shares, got {sizes!r}.")
        self.sizes, self._metric = sizes, choice("metric", metric, METRICS)


class Ablation(_Subsets):
    """Keeps top, random, layer-matched random, bottom or heaviest neurons in the trained probe, with both fills."""

    name = "ablation"

    def __init__(
        self,
        fit: Fit,
        sizes: Sequence[int | float] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
        draws: int = 5,
        tested_draws: int = 199,
        metric: str = "accuracy",
    ) -> None:
        """`tested_draws` random sets of 10 and 20 %, where it is tested whether top beats random."""
        super().__init__(fit, sizes, draws, metric)
        self._tested_draws = whole_number("callbacks.ablation.tested_draws", tested_draws, 0)

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Ablate the chosen probe on dev and test."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        probe = earlier(trainer, LambdaSearch).chosen
        ranking = earlier(trainer, NeuronRanking).ranking
        splits = {name: data.split(name) for name in ("dev", "test")}
        return ablation(
            probe, ranking, data.split("train"), splits, self.sizes, self._draws, self._fit.seed, self._fit.solver,
            self._tested_draws, self._metric,
        )  # fmt: skip


class TopKRetraining(_Subsets):
    """Trains new probes on top, random and bottom neurons alone, all of them in one bank."""

    name = "retraining"

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Retrain with the chosen λ; score on dev and test."""
        data, fit = trainer.datamodule, self._fit  # type: ignore[attr-defined]
        probe = earlier(trainer, LambdaSearch).chosen
        ranking = earlier(trainer, NeuronRanking).ranking
        splits = {name: data.split(name) for name in ("dev", "test")}
        return retraining(
            probe, ranking, data.split("train"), splits, fit, self.sizes, self._draws, fit.seed, fit.solver,
            self._metric,
        )  # fmt: skip
