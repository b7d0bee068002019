"""What the rankings say of the neurons."""

from __future__ import annotations

from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.studies import Trained, ranking
from neuronprobe.types import Result


class NeuronRanking(StudyCallback):
    """The rankings: overall, per label, with cut-offs; and what studies of stability tell of each neuron."""

    name = "ranking"
    size_setting = "salient"
    wants = ("stability", "stability_selection")

    def __init__(self, salient: float = 0.05) -> None:
        """`salient` is the count or share of neurons that are counted per layer."""
        super().__init__()
        self.sizes = (salient,)
        self._salient = salient

    def study(self, trained: Trained, **results: Result) -> Result:
        """Tell what the rankings say."""
        handed = {name: result.handed for name, result in results.items()}
        return ranking(trained, self._salient, handed.get("stability"), handed.get("stability_selection"))
