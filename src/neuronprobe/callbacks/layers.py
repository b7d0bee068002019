"""What each layer knows, and what the layers up to it know together."""

from __future__ import annotations

from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.studies import Trained, layers
from neuronprobe.types import Result


class LayerProbes(StudyCallback):
    """A probe on every layer alone, and on every concatenation of layers 0..i (redundancy paper, section 6.1)."""

    name = "layers"

    def study(self, trained: Trained, **results: Result) -> Result:
        """Train with the chosen λ; score on dev and test."""
        return layers(trained)
