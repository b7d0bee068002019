"""A trained probe: a linear classifier over some or all neurons."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.neurons import Neurons
from neuronprobe.targets import Target, restored
from neuronprobe.writing import write_bytes


@dataclass(frozen=True)
class Optimality:
    """How far training came: the objective on train, and the largest violation of the optimum's (KKT) conditions.

    `zeros` is the share of weights that are exactly zero. The optimum is unique only for λ2 > 0. `converged` says
    whether the residual came within the solver's tolerance; None where the solver has none.
    """

    objective: float
    residual: float
    zeros: float
    unique: bool
    converged: bool | None = None


@dataclass(frozen=True)
class Probe:
    """θ and bias of a linear classifier; `neurons` are the flat indices of the columns, None = all."""

    weights: Float[Tensor, "label neuron"]
    bias: Float[Tensor, " label"]
    neurons: Int[Tensor, " neuron"] | None = None
    l1: float = 0.0
    l2: float = 0.0
    seed: int = 0
    deviation: Float[Tensor, " neuron"] | None = None
    """Of the columns in train, where weights are read as of z-scores; `weights` and `bias` read raw activations."""
    optimality: Optimality | None = None

    @property
    def trained_weights(self) -> Float[Tensor, "label neuron"]:
        """θ as trained, which rankings read: the weights of z-scores where those were trained on (or are asked for)."""
        return self.weights if self.deviation is None else self.weights * self.deviation

    def keep(self, neurons: Neurons, means: Float[Tensor, " all"] | None = None) -> Probe:
        """This probe with all other activations set to zero, or to `means` (of all neurons); EMNLP 2020 section 3.

        Nothing is retrained: the probe loses columns, and its bias takes what the constants contribute.
        """
        own = torch.arange(self.weights.shape[1]) if self.neurons is None else self.neurons
        kept = torch.isin(own, neurons)
        bias = self.bias if means is None else self.bias + self.weights[:, ~kept] @ means[own[~kept]]
        deviation = None if self.deviation is None else self.deviation[kept]
        return replace(self, weights=self.weights[:, kept], bias=bias, neurons=own[kept], deviation=deviation)


def save_probe(path: Path, probe: Probe, target: Target, segments: list[dict[str, Any]]) -> None:
    """Write a probe with its target and neuron table as safetensors; no pickle."""
    tensors = {"weights": probe.weights, "bias": probe.bias}
    if probe.neurons is not None:
        tensors["neurons"] = probe.neurons
    if probe.deviation is not None:
        tensors["deviation"] = probe.deviation
    about = {**target.saved(), "segments": segments, "l1": probe.l1, "l2": probe.l2, "seed": probe.seed}
    write_bytes(
        path, save({name: tensor.contiguous() for name, tensor in tensors.items()}, {"probe": json.dumps(about)})
    )


def load_probe(path: Path) -> tuple[Probe, Target, list[dict[str, Any]]]:
    """Inverse of `save_probe`: probe, target, segments. Raises InputError if the file is no probe."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["probe"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except Exception as error:
        raise InputError(f"{path} must be a saved probe, got {type(error).__name__}: {error}") from error
    target, segments = restored(about), about.pop("segments")
    return Probe(**tensors, **about), target, segments
