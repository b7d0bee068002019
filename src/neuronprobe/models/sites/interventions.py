"""Interventions: chosen neurons are set or shifted inside the running model, where they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.models.sites.hook import LayerSite, Values, Visit
from neuronprobe.neurons import Neurons, NeuronTable


@dataclass(frozen=True)
class Intervention:
    """`neurons` (flat indices) become `values` at every position of a forward pass, or move by them (`is_shift`)."""

    neurons: Neurons
    values: Float[Tensor, " neuron"]
    is_shift: bool = False


def to_zero(neurons: Neurons) -> Intervention:
    """Neurons set to zero."""
    return to_value(neurons, 0.0)


def to_mean(neurons: Neurons, means: Float[Tensor, " all"]) -> Intervention:
    """Neurons set to their means; `means` are those of all neurons (of train)."""
    return Intervention(neurons, means[neurons])


def to_value(neurons: Neurons, value: float | Float[Tensor, " neuron"]) -> Intervention:
    """Neurons set to one value, or each to its own."""
    return Intervention(neurons, _each(neurons, value))


def shift(neurons: Neurons, by: float | Float[Tensor, " neuron"]) -> Intervention:
    """Neurons moved by one value, or each by its own."""
    return Intervention(neurons, _each(neurons, by), is_shift=True)


def visits(
    interventions: Sequence[Intervention], table: NeuronTable, layer_sites: Sequence[LayerSite]
) -> dict[LayerSite, Visit]:
    """What is done at each of the `layer_sites`, which are those of the table's segments, in the order given.

    Raises InputError where a neuron is not in the table.
    """
    found: dict[LayerSite, Visit] = {}
    for which, (start, layer_site) in enumerate(zip(table.starts, layer_sites, strict=False)):
        edits = []
        for one in interventions:
            _check(one, len(table))
            here = table.segment_of[one.neurons] == which
            if here.any():
                edits.append(Intervention(one.neurons[here] - start, one.values[here], one.is_shift))
        if edits:
            found[layer_site] = _edit(edits)
    return found


def _edit(edits: Sequence[Intervention]) -> Visit:
    def visit(values: Values) -> Values:
        changed = values.clone()
        for edit in edits:
            own, new = edit.neurons.to(values.device), edit.values.to(values.device, values.dtype)
            changed[..., own] = changed[..., own] + new if edit.is_shift else new
        return changed

    return visit


def _check(one: Intervention, n_neurons: int) -> None:
    if len(one.neurons) and not 0 <= int(one.neurons.min()) <= int(one.neurons.max()) < n_neurons:
        raise InputError(
            f"neurons of an intervention must be between 0 and {n_neurons - 1}, got {one.neurons.tolist()}."
        )


def _each(neurons: Neurons, value: float | Tensor) -> Tensor:
    values = torch.as_tensor(value, dtype=torch.float32)
    if values.dim() and values.shape != neurons.shape:
        raise InputError(f"values of an intervention must be one, or one for each of {len(neurons)} neurons, "
                         f"got {tuple(values.shape)}.")  # fmt: skip
    return values.expand(len(neurons))
