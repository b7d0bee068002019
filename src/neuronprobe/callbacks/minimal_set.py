"""The smallest top set that is as good as all neurons, and how redundant the others are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.neuron_ranking import NeuronRanking
from neuronprobe.callbacks.study import StudyCallback, earlier
from neuronprobe.errors import InputError, choice, whole_number
from neuronprobe.probes import Fit, ProbeBank
from neuronprobe.studies import Minimum, minimal_set
from neuronprobe.studies.minimal_set import SEARCHES
from neuronprobe.types import Result


class MinimalSet(StudyCallback):
    """The minimal neuron set for each tolerance, beside as many random and bottom neurons."""

    name = "minimal_set"
    needs = (LambdaSearch, NeuronRanking)
    minima: tuple[Minimum, ...]

    def __init__(
        self,
        fit: Fit,
        tolerances: float | Sequence[float] = (0.005, 0.01, 0.02),
        draws: int = 5,
        search: str = "bank",
    ) -> None:
        """`tolerances` are fractions of accuracy; `draws` random sets; `search` is bank or bisection."""
        super().__init__()
        self._fit, self._tolerances = fit, _fractions(tolerances)
        self._draws = whole_number("callbacks.minimal_set.draws", draws, 1)
        self._search = choice("callbacks.minimal_set.search", search, SEARCHES)

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Retrain the top with the chosen λ until it is within each tolerance on dev."""
        data, fit = trainer.datamodule, self._fit  # type: ignore[attr-defined]
        probe = earlier(trainer, LambdaSearch).chosen
        ranking = earlier(trainer, NeuronRanking).ranking
        splits = {name: data.split(name) for name in ("dev", "test")}
        found = minimal_set(
            probe, ranking, data.split("train"), splits, fit, self._tolerances, self._draws, fit.seed, fit.solver,
            self._search,
        )  # fmt: skip
        self.minima = found.minima
        return found.result


def _fractions(tolerances: float | Sequence[float]) -> list[float]:
    values: list[Any] = list(tolerances) if isinstance(tolerances, list | tuple) else [tolerances]
    for value in values or [None]:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise InputError(
                "callbacks.minimal_set.tolerances must be fractions of accuracy between 0 and 1, "
                f"got {'[]' if value is None else repr(value)}; one point is 0.01."
            )
    return sorted({float(value) for value in values})
