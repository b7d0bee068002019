"""What a ranking may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.errors import InputError
from neuronprobe.neurons import NeuronTable
from neuronprobe.probes import Fit, Probe
from neuronprobe.types import Ranking

Rank = Callable[["Evidence"], Ranking]
"""A ranking: a function of the evidence."""


@dataclass(frozen=True)
class Evidence:
    """The train and dev splits (streamed in blocks), the chosen probe if there is one, `fit` for methods that train.

    `weights` of the units of train have mean 1: a resample is a weighting. `seed` draws the order behind the earned
    neurons.
    """

    train: Split
    dev: Split
    fit: Fit
    seed: int
    probe: Probe | None = None
    weights: Float[Tensor, " unit"] | None = None

    @property
    def table(self) -> NeuronTable:
        """The neurons to rank."""
        return self.train.neurons

    @property
    def label_totals(self) -> Float[Tensor, " label"]:
        """The weight of each label over the units of train; of values the weight of all units."""
        return self.train.target.totals(self.train.units.labels, self.weights)

    @property
    def supported(self) -> Bool[Tensor, " label"]:
        """The labels that there are: a resample may lack some, and no ranking may see them."""
        return self.label_totals > 0

    def probe_weights(self) -> Float[Tensor, "label neuron"]:
        """θ as trained, 0 for labels that there are not. Raises InputError where there is no probe."""
        if self.probe is None:
            raise InputError(
                "ranking must be one that needs no probe, got one that reads its weights; train one first."
            )
        return torch.where(self.supported[:, None], self.probe.trained_weights, 0.0)
