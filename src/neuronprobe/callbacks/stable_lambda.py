"""Chooses the probe of the λ grid by the stability of its ranking."""

from __future__ import annotations

from dataclasses import replace

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.errors import number, whole_number
from neuronprobe.studies import Grid, lambda_search, stable_lambda
from neuronprobe.studies.lambda_search import LambdaChoice
from neuronprobe.studies.stable_lambda import rechosen


class StableLambdaSearch(LambdaSearch):
    """The sparsest λ whose top is shared by resamples, among the pairs that are about as good as the best on dev."""

    def __init__(
        self, tolerance: float = 0.01, resamples: int = 4, top: float = 0.05, share: float = 0.2,
        metric: str = "auto", margin: float = 0.02,
    ) -> None:  # fmt: skip
        """`tolerance` is a fraction of the metric; `top` the share of neurons whose overlap decides; overlaps that are
        within `margin` of the largest count as equal. `share` is that of the score S, which is reported beside and
        chooses nothing. Costs `resamples` probes for each pair of the grid.
        """
        super().__init__(share=share, metric=metric)
        self._tolerance = number("search.tolerance", tolerance, 0, 1)
        self._resamples = whole_number("search.resamples", resamples, 2)
        self._top = number("search.top", top, 1e-6, 1)
        self._margin = number("search.margin", margin, 0, 1)

    def search(self, grid: Grid) -> LambdaChoice:
        """Score the grid, resample it, choose the sparsest of its accurate and stable pairs."""
        scored = lambda_search(grid, self.fit, self._primary, **self._settings, metric=self._metric)
        stable = stable_lambda(
            grid, self.fit, self._primary, self._tolerance, self._top, self._resamples, self._metric, self._margin
        )
        rows = (*rechosen(scored.rows, grid.probes[stable.chosen]), *stable.rows)
        return replace(scored, chosen=stable.chosen, rows=rows)
