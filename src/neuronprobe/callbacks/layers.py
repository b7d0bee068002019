"""What each layer knows, and what the layers up to it know together."""

from __future__ import annotations

import pytorch_lightning as pl

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.study import StudyCallback, earlier
from neuronprobe.probes import Fit, ProbeBank
from neuronprobe.studies import layers
from neuronprobe.types import Result


class LayerProbes(StudyCallback):
    """A probe on every layer alone, and on every concatenation of layers 0..i (redundancy paper, section 6.1)."""

    name = "layers"
    needs = (LambdaSearch,)

    def __init__(self, fit: Fit) -> None:
        super().__init__()
        self._fit = fit

    def study(self, trainer: pl.Trainer, bank: ProbeBank) -> Result:
        """Train with the chosen λ; score on dev and test."""
        data, fit = trainer.datamodule, self._fit  # type: ignore[attr-defined]
        splits = {name: data.split(name) for name in ("dev", "test")}
        return layers(earlier(trainer, LambdaSearch).chosen, data.split("train"), splits, fit, fit.seed, fit.solver)
