"""Chooses the probe of the λ grid by the stability of its ranking."""

from __future__ import annotations

from dataclasses import replace

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.errors import number, whole_number
from neuronprobe.studies import Grid, lambda_search, stable_lambda
from neuronprobe.studies.lambda_search import LambdaChoice
from neuronprobe.studies.stable_lambda import rechosen


class StableLambdaSearch(LambdaSearch):
    """λ by the overlap of tops over resamples, among the pairs that are about as good as the best on dev."""

    def __init__(
        self, tolerance: float = 0.01, resamples: int = 4, top: float = 0.05, share: float = 0.2,
        metric: str = "auto",
    ) -> None:  # fmt: skip
        """`tolerance` is a fraction of the metric; `top` the share of neurons whose overlap decides; `share` is that of
        the score S, which is reported beside and chooses nothing. Costs `resamples` probes for each accurate pair.
        """
        super().__init__(share=share, metric=metric)
        self._tolerance = number("search.tolerance", tolerance, 0, 1)
        self._resamples = whole_number("search.resamples", resamples, 2)
        self._top = number("search.top", top, 1e-6, 1)

    def search(self, grid: Grid) -> LambdaChoice:
        """Score the grid, resample its accurate pairs, choose the most stable one."""
        scored = lambda_search(grid, self.fit, self._primary, **self._settings, metric=self._metric)
        stable = stable_lambda(grid, self.fit, self._primary, self._tolerance, self._top, self._resamples, self._metric)
        rows = (*rechosen(scored.rows, grid.probes[stable.chosen]), *stable.rows)
        return replace(scored, chosen=stable.chosen, rows=rows)
