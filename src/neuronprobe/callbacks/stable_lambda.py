"""Chooses the probe of the λ grid by the stability of its ranking."""

from __future__ import annotations

import pytorch_lightning as pl

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.errors import number, whole_number
from neuronprobe.probes import Fit, ProbeBank
from neuronprobe.studies import lambda_search, oracle
from neuronprobe.studies.lambda_search import Rank
from neuronprobe.studies.stable_lambda import rechosen, stable_lambda
from neuronprobe.types import Result


class StableLambdaSearch(LambdaSearch):
    """λ by the overlap of tops over resamples, among the pairs that are about as accurate as the best on dev."""

    def __init__(
        self, rank: Rank, fit: Fit, tolerance: float = 0.01, resamples: int = 4, top: float = 0.05, share: float = 0.2,
        metric: str = "accuracy",
    ) -> None:  # fmt: skip
        """`tolerance` is a fraction of accuracy; `top` the share of neurons whose overlap decides; `share` is that of
        the score S, which is reported beside and chooses nothing. Costs `resamples` probes for each accurate pair.
        """
        super().__init__(rank, fit, share=share, metric=metric)
        self._tolerance = number("search.tolerance", tolerance, 0, 1)
        self._resamples = whole_number("search.resamples", resamples, 2)
        self._top = number("search.top", top, 1e-6, 1)

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Score the grid, resample its accurate pairs, keep the most stable probe, score it with all neurons."""
        data, fit = trainer.datamodule, self._fit  # type: ignore[attr-defined]
        train, splits = data.split("train"), {name: data.split(name) for name in ("dev", "test")}
        probes, settings = self.grid(bank, train), self._settings | {"reference": fit.reference}
        grid = lambda_search(probes, fit.pairs, self._rank, splits["dev"], splits["test"], fit.solver, **settings)
        stable = stable_lambda(
            probes, fit.pairs, self._rank, fit, train, splits["dev"], self._tolerance, self._top, self._resamples
        )
        self.chosen = probes[stable.chosen]
        all_neurons = oracle(self.chosen, splits, data.labels.names, fit.seed, fit.solver)
        return Result((*rechosen(grid.rows, self.chosen), *stable.rows, *all_neurons.rows), all_neurons.correct)
