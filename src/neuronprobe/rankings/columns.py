"""The activations of some neurons at a time: for what needs a neuron's values over all units side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import Neurons

MOST_HELD = 1 << 26
"""Bytes of activations that are held at a time; the split is read again for the next ones."""


def columns(split: Split, most: int = MOST_HELD) -> Iterator[tuple[Neurons, Float[Tensor, "neuron unit"]]]:
    """All neurons, some at a time, with their activations."""
    at_a_time = max(1, most // (4 * max(1, len(split))))
    for chosen in torch.arange(len(split.neurons)).split(at_a_time):
        yield chosen, columns_of(split, chosen)


def columns_of(split: Split, neurons: Neurons) -> Float[Tensor, "neuron unit"]:
    """The activations of these neurons, in float32 on the CPU."""
    found, position = torch.empty(len(neurons), len(split)), 0
    for batch in split.blocks():
        found[:, position : position + len(batch.labels)] = batch.activations[:, neurons.to(split.device)].T.cpu()
        position += len(batch.labels)
    return found


def by_neuron(
    split: Split, n_scores: int, score: Callable[[NDArray[np.float32]], NDArray[np.float64]]
) -> Float[Tensor, "score neuron"]:
    """What `score` gives for the activations of each neuron."""
    found = torch.zeros(n_scores, len(split.neurons), dtype=torch.float64)
    for chosen, activations in columns(split):
        scores = [score(own) for own in activations.numpy()]
        found[:, chosen] = torch.from_numpy(np.stack(scores, axis=1))
    return found
