"""Which neurons most half-samples of the sentences select, with an error rate."""

from __future__ import annotations

import pytorch_lightning as pl

from neuronprobe.callbacks.study import SearchCallback, StudyCallback
from neuronprobe.errors import InputError, choice, number, whole_number
from neuronprobe.studies import Trained, stability_selection
from neuronprobe.studies.stability_selection import refuse_or_q
from neuronprobe.types import Result


class StabilitySelection(StudyCallback):
    """Trains half-samples along the path of λ1; lists neurons that most of them select, with a bound on false ones."""

    name = "stability_selection"

    def __init__(
        self, expected: float = 1.0, threshold: float = 0.9, pairs: int = 50, bound: str = "worst_case"
    ) -> None:
        """`expected`: rarely selected neurons in the list, at most, by the `bound` worst_case or r_concave.

        `threshold`: the share of half-samples that must select a neuron, above .5; `pairs` of them, at least 50.
        """
        super().__init__()
        self._expected = number("callbacks.stability_selection.expected", expected, 1e-6)
        self._threshold = number("callbacks.stability_selection.threshold", threshold, 0.5, 1)
        if self._threshold == 0.5:
            raise InputError("callbacks.stability_selection.threshold must be above 0.5, got 0.5.")
        self._pairs = whole_number("callbacks.stability_selection.pairs", pairs, 50)
        self._bound = choice("callbacks.stability_selection.bound", bound, ("worst_case", "r_concave"))

    def check(self, trainer: pl.Trainer) -> None:
        """Refuse probes without exact zeros, and bounds that can't be had. Raises InputError."""
        (search,) = (one for one in trainer.callbacks if isinstance(one, SearchCallback))  # type: ignore[attr-defined]
        n_neurons = len(trainer.datamodule.split("train").neurons)  # type: ignore[attr-defined]
        refuse_or_q(search.fit, n_neurons, self._expected, self._threshold, self._pairs, self._bound)

    def study(self, trained: Trained, **results: Result) -> Result:
        """Train and count."""
        return stability_selection(trained, self._expected, self._threshold, self._pairs, self._bound)
