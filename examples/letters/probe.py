"""A probe: the papers', in batches that depend on the text."""

from __future__ import annotations

from typing import Any, Self

from neuronprobe.activations import Split
from neuronprobe.errors import whole_number
from neuronprobe.probes import Fit


class Stepwise(Fit):
    """As many units in a batch as give at least `steps` optimizer steps in an epoch."""

    def __init__(self, steps: int = 100, **settings: Any) -> None:
        """`settings` are those of `Fit`. Raises InputError for a setting that can't be used."""
        super().__init__(batch_size="auto", **settings)
        self.steps_per_epoch = whole_number("probe.steps", steps, 1)

    def related(self, train: Split, recommended: int | None = None) -> Self:
        """Called once train is known."""
        return super().related(train, max(1, len(train) // self.steps_per_epoch))
