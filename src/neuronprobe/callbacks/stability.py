"""How far the ranking can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.errors import InputError, whole_number
from neuronprobe.studies import Trained, stability
from neuronprobe.types import Result


class Stability(StudyCallback):
    """Trains the chosen λ again with other seeds and on resampled sentences; compares the tops of the rankings."""

    name = "stability"

    def __init__(self, sizes: Sequence[int | float] = (0.01, 0.05, 0.2), seeds: int = 3, resamples: int = 20) -> None:
        """`sizes` are counts or shares of the neurons; `seeds` is the number of banks beside the chosen probe."""
        super().__init__()
        if not isinstance(sizes, list | tuple) or not sizes:
            raise InputError(f"callbacks.stability.sizes must be a list of counts or shares, got {sizes!r}.")
        self.sizes = sizes
        self._seeds = whole_number("callbacks.stability.seeds", seeds, 1)
        self._resamples = whole_number("callbacks.stability.resamples", resamples, 2)

    def study(self, trained: Trained, **results: Result) -> Result:
        """Train and compare."""
        return stability(trained, self.sizes, self._seeds, self._resamples)
