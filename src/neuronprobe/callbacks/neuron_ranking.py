"""What the rankings say of the neurons."""

from __future__ import annotations

from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.studies import Trained, ranking
from neuronprobe.types import Result


class NeuronRanking(StudyCallback):
    """The rankings: overall, per label, with cut-offs; and the confidence of each neuron after a study of stability."""

    name = "ranking"
    size_setting = "salient"
    wants = ("stability",)

    def __init__(self, salient: float = 0.05) -> None:
        """`salient` is the count or share of neurons that are counted per layer."""
        super().__init__()
        self.sizes = (salient,)
        self._salient = salient

    def study(self, trained: Trained, **results: Result) -> Result:
        """Tell what the rankings say."""
        stability = results.get("stability")
        return ranking(trained, self._salient, stability.handed if stability else None)
