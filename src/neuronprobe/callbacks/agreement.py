"""How far the rankings of a job agree."""

from __future__ import annotations

from collections.abc import Sequence

from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.errors import InputError
from neuronprobe.studies import Trained, agreement
from neuronprobe.types import Result


class Agreement(StudyCallback):
    """Overlap of the tops of all rankings, by pairs and with the vote of the others, and their rank correlation."""

    name = "agreement"

    def __init__(self, sizes: Sequence[int | float] = (0.01, 0.05, 0.2)) -> None:
        """`sizes` are counts (int) or shares (float) of the neurons; Fan et al. 2023: 10, 30 and 50 of a layer."""
        super().__init__()
        if not isinstance(sizes, list | tuple) or not sizes:
            raise InputError(f"callbacks.agreement.sizes must be a list of counts or shares, got {sizes!r}.")
        self.sizes = sizes

    def study(self, trained: Trained, **results: Result) -> Result:
        """Compare the rankings at hand; nothing is trained."""
        return agreement(trained, self.sizes)
