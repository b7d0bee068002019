"""Top, random and bottom neurons: kept in the trained probe, or retrained alone."""

from __future__ import annotations

from collections.abc import Sequence

from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.errors import InputError, choice, whole_number
from neuronprobe.studies import Trained, ablation, retraining
from neuronprobe.studies.trained import WHICH
from neuronprobe.types import Result

SIZES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class _Subsets(StudyCallback):
    def __init__(self, sizes: Sequence[int | float], draws: int, rankings: str) -> None:
        """`sizes` are counts (int) or shares (float) of the neurons; `draws` random sets of each size."""
        super().__init__()
        self._draws = whole_number(f"callbacks.{self.name}.draws", draws, 1)
        self._rankings = choice(f"callbacks.{self.name}.rankings", rankings, WHICH)
        if not isinstance(sizes, list | tuple) or not sizes:
            raise InputError(f"callbacks.{self.name}.sizes must be a list of counts or shares, got {sizes!r}.")
        self.sizes = sizes


class Ablation(_Subsets):
    """Keeps top, random, layer-matched random or bottom neurons in the trained probe, with both fills."""

    name = "ablation"

    def __init__(
        self, sizes: Sequence[int | float] = SIZES, draws: int = 5, tested_draws: int = 199, rankings: str = "all"
    ) -> None:
        """`tested_draws` random sets of 10 and 20 %, where it is tested whether top beats random.

        `rankings` are all, or the primary one.
        """
        super().__init__(sizes, draws, rankings)
        self._tested_draws = whole_number("callbacks.ablation.tested_draws", tested_draws, 0)

    def study(self, trained: Trained, **results: Result) -> Result:
        """Ablate the chosen probe on dev and test."""
        return ablation(trained, self.sizes, self._draws, self._tested_draws, self._rankings)


class TopKRetraining(_Subsets):
    """Trains new probes on top, random and bottom neurons alone, all of them in one bank."""

    name = "retraining"

    def __init__(self, sizes: Sequence[int | float] = SIZES, draws: int = 5, rankings: str = "primary") -> None:
        """`rankings` are the primary one, or all."""
        super().__init__(sizes, draws, rankings)

    def study(self, trained: Trained, **results: Result) -> Result:
        """Retrain with the chosen λ; score on dev and test."""
        return retraining(trained, self.sizes, self._draws, self._rankings)
