"""Chooses the probe of the λ grid that all later studies use, ranks its neurons, and reports its oracle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl

from neuronprobe.callbacks.study import SearchCallback
from neuronprobe.errors import choice, number
from neuronprobe.probes import ProbeBank
from neuronprobe.rankings import Rank
from neuronprobe.studies import Grid, Trained, lambda_search, named, oracle
from neuronprobe.studies.grid import grid_result
from neuronprobe.studies.lambda_search import BY, LambdaChoice
from neuronprobe.targets import METRICS
from neuronprobe.types import Result


class LambdaSearch(SearchCallback):
    """λ by S = α(top − bottom) − β(unregularised − this) on dev, ablated or retrained; or by the metric on dev."""

    name = "lambda_search"

    def __init__(
        self, alpha: float = 0.5, beta: float = 0.5, share: float | Sequence[float] = 0.2, by: str = "score",
        metric: str = "auto", of: str = "all",
    ) -> None:  # fmt: skip
        """`by` is score, retrained_score or dev; `alpha` and `beta` weigh separation and lost accuracy in S.

        `share` of the neurons is top and bottom; S takes the mean over several. `metric` is accuracy or macro_f1, of
        values r2; auto is the first of them.
        """
        super().__init__()
        self._by, self._metric = choice("search.by", by, BY), choice("metric", metric, METRICS)
        self._settings: dict[str, Any] = {
            "alpha": number("search.alpha", alpha, 0),
            "beta": number("search.beta", beta, 0),
            "share": [number("search.share", one, 1e-6, 1) for one in _listed(share)],
            "of": choice("search.of", of, ("all", "earned")),
        }

    def run(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Search the grid, keep what was chosen as `trained`, score it with all neurons."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        fit, train = self.fit, data.split("train")
        metric = train.target.metric(self._metric)
        rest = fit.grid()[len(bank.members) :]  # those that would not fit in memory with the bank
        probes = fit.trained(bank, train) + (fit(rest, train) if rest else [])
        grid = Grid(probes, {name: data.split(name) for name in ("train", "dev", "test")})
        found = self.search(grid)
        probe = probes[found.chosen]
        rankings = named(self.ranks, grid.evidence(fit, probe))
        ranks = dict(zip(rankings, self.ranks.values(), strict=True))
        self.trained = Trained(grid.splits, data.target.names, fit, probes, probe, ranks, rankings, metric)
        return grid_result(found.rows) + oracle(self.trained)

    def search(self, grid: Grid) -> LambdaChoice:
        """Which probe of the grid, and the rows of all."""
        return lambda_search(grid, self.fit, self._primary, **self._settings, by=self._by, metric=self._metric)

    @property
    def _primary(self) -> Rank:
        return next(iter(self.ranks.values()))


def _listed(share: Any) -> list[Any]:
    return list(share) if isinstance(share, list | tuple) and share else [share]
