"""Chooses the probe of the λ grid that all later studies use, and reports its oracle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl

from neuronprobe.activations import Split
from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.errors import InputError, choice, number
from neuronprobe.probes import METRICS, Fit, Probe, ProbeBank
from neuronprobe.studies import lambda_search, oracle
from neuronprobe.studies.lambda_search import BY, Rank
from neuronprobe.types import Result


class LambdaSearch(StudyCallback):
    """λ by S = α(top − bottom) − β(unregularised − this) on dev, ablated or retrained; or by accuracy on dev."""

    name = "lambda_search"
    chosen: Probe

    def __init__(
        self, rank: Rank, fit: Fit, alpha: float = 0.5, beta: float = 0.5, share: float | Sequence[float] = 0.2,
        by: str = "score", metric: str = "accuracy", of: str = "all",
    ) -> None:  # fmt: skip
        """`by` is score, retrained_score or dev; `alpha` and `beta` weigh separation and lost accuracy in S.

        `share` of the neurons is top and bottom; S takes the mean over several. `metric` is accuracy or macro_f1.
        Raises InputError if a score has only one (λ1, λ2) to choose from.
        """
        super().__init__()
        self._rank, self._fit = rank, fit
        self._by = choice("search.by", by, BY)
        if by != "dev" and len(fit.pairs) < 2:
            ((l1, l2),) = fit.pairs
            raise InputError(
                "probe.l1 and probe.l2 must give at least 2 pairs to choose from, "
                f"got 1 (l1={l1:g}, l2={l2:g}); "
                "give lists (probe.l1=[0.0,1e-3]), or search=dev, which takes a single pair as it is."
            )
        self._settings: dict[str, Any] = {
            "alpha": number("search.alpha", alpha, 0),
            "beta": number("search.beta", beta, 0),
            "share": [number("search.share", one, 1e-6, 1) for one in _listed(share)],
            "metric": choice("metric", metric, METRICS),
            "of": choice("search.of", of, ("all", "earned")),
        }

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Search the grid, keep the chosen probe, score it with all neurons."""
        data, train = trainer.datamodule, trainer.datamodule.split("train")  # type: ignore[attr-defined]
        probes = self.grid(bank, train)
        splits = {name: data.split(name) for name in ("dev", "test")}
        found = lambda_search(
            probes, self._fit.pairs, self._rank, splits["dev"], splits["test"], self._fit.solver, **self._settings,
            by=self._by, reference=self._fit.reference, retrain=lambda members: self._fit(members, train),
        )  # fmt: skip
        self.chosen = probes[found.chosen]
        all_neurons = oracle(self.chosen, splits, data.labels.names, self._fit.seed, self._fit.solver)
        return Result((*found.rows, *all_neurons.rows), all_neurons.correct)

    def grid(self, bank: ProbeBank, train: Split) -> list[Probe]:
        """The probes of the whole grid: the bank's, and those that would not fit in memory with them."""
        self._fit.relate(train)
        rest = self._fit.grid()[len(bank.members) :]
        return self._fit.trained(bank, train) + (self._fit(rest, train) if rest else [])


def _listed(share: Any) -> list[Any]:
    return list(share) if isinstance(share, list | tuple) and share else [share]
