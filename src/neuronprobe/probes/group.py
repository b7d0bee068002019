"""Probes that are computed together: those that read equally many neurons share one (batched) matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from neuronprobe.neurons import Neurons


class Group(NamedTuple):
    """Weights and biases of some probes; `neurons` is None where all of them read all neurons."""

    weights: Float[Tensor, "probe label k"]
    bias: Float[Tensor, "probe label"]
    neurons: Int[Tensor, "probe k"] | None


def group(neurons: Sequence[Neurons | None]) -> list[list[int]]:
    """The positions of probes that go into one group, by the number of their neurons."""
    groups: dict[int | None, list[int]] = {}
    for position, chosen in enumerate(neurons):
        groups.setdefault(None if chosen is None else len(chosen), []).append(position)
    return list(groups.values())


def stack_neurons(neurons: Sequence[Neurons | None]) -> Int[Tensor, "probe k"] | None:
    """The neurons of one group."""
    chosen = [one for one in neurons if one is not None]
    return torch.stack(chosen) if chosen else None


def outputs(
    activations: Float[Tensor, "unit neuron"], groups: Sequence[Group], order: Int[Tensor, " probe"]
) -> Float[Tensor, "unit probe label"]:
    """Outputs of all probes, put into `order`; each group gathers only the columns that it needs."""
    columns = None
    found = []
    for weights, bias, neurons in groups:
        if neurons is None:
            found.append(_product(activations, weights.flatten(0, 1), bias.flatten()).unflatten(1, bias.shape))
            continue
        if columns is None:
            columns = activations.T if lie_by_neuron(activations) else activations.T.contiguous()
        gathered = columns.index_select(0, neurons.flatten()).unflatten(0, neurons.shape)
        found.append(torch.baddbmm(bias[:, :, None], weights, gathered).permute(2, 0, 1))
    return found[0].contiguous() if len(found) == 1 else torch.cat(found, dim=1)[:, order]


def lie_by_neuron(activations: Float[Tensor, "unit neuron"]) -> bool:
    """Whether the activations of a neuron are neighbours in memory, not those of a unit."""
    return activations.stride(0) == 1


def _product(
    activations: Float[Tensor, "unit neuron"], weights: Float[Tensor, "output neuron"], bias: Float[Tensor, " output"]
) -> Float[Tensor, "unit output"]:
    """In the order in which activations lie: the other takes up to twice as long for few outputs."""
    if lie_by_neuron(activations):
        return torch.addmm(bias[:, None], weights, activations.T).T
    return nn.functional.linear(activations, weights, bias)
