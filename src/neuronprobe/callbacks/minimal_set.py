"""The smallest top set that is as good as all neurons, and how redundant the others are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.errors import InputError, choice, whole_number
from neuronprobe.studies import Trained, minimal_set
from neuronprobe.studies.minimal_set import SEARCHES
from neuronprobe.studies.trained import WHICH
from neuronprobe.types import Result


class MinimalSet(StudyCallback):
    """The minimal neuron set for each tolerance, beside as many random and bottom neurons."""

    name = "minimal_set"

    def __init__(
        self, tolerances: float | Sequence[float] = (0.005, 0.01, 0.02), draws: int = 5, search: str = "bank",
        rankings: str = "primary",
    ) -> None:  # fmt: skip
        """`tolerances` are fractions of accuracy (of values R²); `draws` random sets; `search` is bank or bisection."""
        super().__init__()
        self._tolerances = _fractions(tolerances)
        self._draws = whole_number("callbacks.minimal_set.draws", draws, 1)
        self._search = choice("callbacks.minimal_set.search", search, SEARCHES)
        self._rankings = choice("callbacks.minimal_set.rankings", rankings, WHICH)

    def study(self, trained: Trained, **results: Result) -> Result:
        """Retrain the top with the chosen λ until it is within each tolerance on dev."""
        return minimal_set(trained, self._tolerances, self._draws, self._search, self._rankings)


def _fractions(tolerances: float | Sequence[float]) -> list[float]:
    values: list[Any] = list(tolerances) if isinstance(tolerances, list | tuple) else [tolerances]
    for value in values or [None]:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise InputError(
                "callbacks.minimal_set.tolerances must be fractions of accuracy between 0 and 1, "
                f"got {'[]' if value is None else repr(value)}; one point is 0.01."
            )
    return sorted({float(value) for value in values})
