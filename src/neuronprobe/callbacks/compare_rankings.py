"""Which of the rankings of a job to believe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl

from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.callbacks.subsets import SIZES
from neuronprobe.errors import InputError, choice, number, whole_number
from neuronprobe.neurons import size
from neuronprobe.studies import Trained, compare_rankings
from neuronprobe.studies.entries import RETRAINED
from neuronprobe.studies.judges import JUDGES
from neuronprobe.studies.sets import sizes
from neuronprobe.types import Result


class CompareRankings(StudyCallback):
    """Tops and bottoms of all rankings by several judges, and which ranking is best and most stable."""

    name = "compare_rankings"

    def __init__(
        self, sizes: Sequence[int | float] = SIZES, small: int | float = 0.05,
        judges: Sequence[str] = ("linear", "kept", "ridge", "gaussian"), draws: int = 10, resamples: int = 5,
        seeds: int = 1, once: Sequence[str] = (), tolerance: float = 0.01, control_draws: int = 3,
    ) -> None:  # fmt: skip
        """`sizes` are counts or shares of the neurons, those up to `small` make small sets; the first of `judges` gives
        the verdict. `draws` are random orders; rankings are made again from `resamples` of the sentences and with other
        `seeds`, but for those named in `once`. `tolerance` is that of minimal sets, `control_draws` of selectivity.
        """
        super().__init__()
        if not isinstance(sizes, list | tuple) or not sizes:
            raise InputError(f"callbacks.compare_rankings.sizes must be a list of counts or shares, got {sizes!r}.")
        if not isinstance(judges, list | tuple) or not judges:
            raise InputError(
                f"callbacks.compare_rankings.judges must be a list of {', '.join(JUDGES)}, got {judges!r}."
            )
        self.sizes = sizes
        whole = {
            "draws": (draws, 2), "resamples": (resamples, 0), "seeds": (seeds, 0), "control_draws": (control_draws, 0),
        }  # fmt: skip
        self._settings: dict[str, Any] = {
            **{name: whole_number(f"callbacks.compare_rankings.{name}", *own) for name, own in whole.items()},
            "judges": [choice("callbacks.compare_rankings.judges", judge, JUDGES) for judge in judges],
            "tolerance": number("callbacks.compare_rankings.tolerance", tolerance, 0, 1),
            "once": _names(once),
            "small": small,
        }  # fmt: skip

    def check(self, trainer: pl.Trainer) -> None:
        """Refuse sizes beyond the neurons; where units do not recur there is no control task. Raises InputError."""
        super().check(trainer)
        data = trainer.datamodule  # type: ignore[attr-defined]
        n = len(data.split("train").neurons)
        size("callbacks.compare_rankings.small", self._settings["small"], n)
        if "linear" in self._settings["judges"] and min(sizes(self.sizes, n)) > size("sizes", RETRAINED, n):
            raise InputError(
                f"callbacks.compare_rankings.sizes must have one of at most {RETRAINED:.0%} of the neurons for judge "
                f"linear, got {list(self.sizes)}; add one or leave the judge out."
            )
        if not getattr(data.prop, "has_control_task", True):
            self._settings["control_draws"] = 0

    def study(self, trained: Trained, **results: Result) -> Result:
        """Judge all rankings on dev and test."""
        return compare_rankings(trained, self.sizes, **self._settings)


def _names(once: Any) -> list[str]:
    if not isinstance(once, list | tuple):
        raise InputError(f"callbacks.compare_rankings.once must be a list of rankings, got {once!r}.")
    return list(once)
