"""Where the salient neurons lie, and for what."""

from __future__ import annotations

from collections.abc import Sequence

from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.studies import Minimum, Trained, spread
from neuronprobe.types import Result


class Spread(StudyCallback):
    """Salient neurons over layers and labels; labels that share them."""

    name = "spread"
    size_setting = "size"

    def __init__(self, size: int | float | str = 0.05) -> None:
        """`size` is the count or share of neurons that are salient, or `minimal_set`: those of the tightest tolerance
        that a set reached, which the rows name; none where no set reached any.
        """
        super().__init__()
        self._size = size
        if size == "minimal_set":
            self.needs = ("minimal_set",)
        else:
            self.sizes = (size,)  # type: ignore[assignment]

    def study(self, trained: Trained, **results: Result) -> Result:
        """Read the ranking."""
        return spread(trained, self._size if not self.needs else _tightest(results["minimal_set"].handed))  # type: ignore[arg-type]


def _tightest(minima: Sequence[Minimum]) -> Minimum:
    """The minimal set of the tightest tolerance that a set reached, else of the loosest."""
    return next((minimum for minimum in minima if minimum.k is not None), minima[-1])
