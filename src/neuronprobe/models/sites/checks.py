"""What is checked when a model is loaded, in a few short forward passes: that its sites are what they seem."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from neuronprobe.errors import InputError
from neuronprobe.models.network.forward import Forward, Inputs
from neuronprobe.models.sites.hook import LayerSite, Values, Visit, read, visiting
from neuronprobe.models.sites.site import RESIDUAL

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
COARSE = 5e-2
"""Largest relative difference that padding may make: in float32, and in half precision."""
ROWS_AT_A_TIME = 64


def check_shape(states: Sequence[Tensor], n_layers: int | None, width: int | None, name: str) -> None:
    """The hidden states are as many and as wide as the configuration says."""
    if n_layers is not None and len(states) != n_layers + 1:
        raise InputError(f"{name} must return {n_layers + 1} hidden states by its configuration, got {len(states)}.")
    other = [state.shape[-1] for state in states[:-1] if state.shape[-1] != width]  # the last may be projected (OPT)
    if width is not None and other:
        raise InputError(f"{name} must be {width} wide by its configuration, got {other[0]}.")


def check_finite(states: Sequence[Tensor], batch: Inputs) -> None:
    """No activation of a subword is NaN or infinite."""
    real = batch["attention_mask"].bool()
    for layer, state in enumerate(states):
        if not state[real.to(state.device)].isfinite().all():
            raise InputError(
                f"activations of layer {layer} must be finite, got NaN or infinity from the model; "
                "use model.dtype=float32, or other weights."
            )


def check_frozen(network: nn.Module) -> None:
    """Nothing can be trained and nothing is drawn."""
    if network.training or any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError("the model must be frozen, got parameters that can be trained, or the training mode.")


@torch.no_grad()
def check_hook(forward: Forward, layer_sites: Sequence[LayerSite], states: Sequence[Tensor], batch: Inputs) -> None:
    """What the hook reads of the residual stream is what the model returns as hidden states."""
    real = batch["attention_mask"].bool()
    found = read(forward.network, layer_sites, lambda: forward.run(batch))
    for layer_site, values in zip(layer_sites, found, strict=True):
        layer = layer_site.layer
        if layer_site.site == RESIDUAL and not torch.allclose(values[real], states[layer][real], rtol=1e-4, atol=1e-5):
            raise InputError(
                f"the hook at {layer_site.module} must read hidden state {layer}, got other values; "
                "the model runs this module otherwise than once a pass."
            )


@torch.no_grad()
def check_padding(
    layer_sites: Sequence[LayerSite], batch: Inputs, values: Callable[[Inputs], Sequence[Tensor]]
) -> None:
    """Padding changes nothing: each sentence of a padded batch has the `values` that it has alone."""
    together = values(batch)
    for row, length in enumerate(batch["attention_mask"].sum(1).tolist()):
        alone = values({name: tensor[row : row + 1, :length] for name, tensor in batch.items()})
        for layer_site, here, there in zip(layer_sites, alone, together, strict=True):
            _compare(layer_site, here[0].double(), there[row, :length].double(), TOLERANCE.get(here.dtype, COARSE))


def _compare(layer_site: LayerSite, alone: Tensor, padded: Tensor, tolerance: float) -> None:
    difference = float((padded - alone).norm() / alone.norm().clamp_min(1e-12))
    if not difference <= tolerance:
        raise InputError(
            f"activations must not depend on padding, got a relative difference of {difference:.1e} (at most "
            f"{tolerance:g}) in layer {layer_site.layer} at site {layer_site.site}; the model mixes padding into its "
            "words."
        )


@torch.no_grad()
def check_alive(forward: Forward, layer_sites: Sequence[LayerSite], batch: Inputs) -> None:
    """Liveness: changing what is read changes what the model returns, at every site in every layer.

    One sentence stands in every row of a batch, and row r is changed at the r-th of `layer_sites`; row 0 at none.
    """
    for chosen in _some(layer_sites):
        rows = {name: tensor[:1].expand(len(chosen) + 1, -1) for name, tensor in batch.items()}
        with visiting(forward.network, {layer_site: _nudge(row) for row, layer_site in enumerate(chosen, 1)}):
            output = forward.last_state_of(forward.run(rows))
        for row, layer_site in enumerate(chosen, 1):
            if not float((output[row] - output[0]).abs().max()) > 1e-6 * float(output[0].abs().max()):
                raise InputError(
                    f"site {layer_site.site} must be alive, got {layer_site.module} in layer {layer_site.layer}: "
                    "changing it changes nothing in the model's output; choose another module or tap."
                )


@torch.no_grad()
def carries_all(forward: Forward, layer_sites: Sequence[LayerSite], batch: Inputs) -> bool:
    """Whether all that the network knows of a sentence passes through each of `layer_sites`: two sentences that are
    exchanged there are exchanged in what it returns.
    """
    short = int(batch["attention_mask"].sum(1).min())
    pair = {name: tensor[:, :short] for name, tensor in batch.items()}
    whole = forward.last_state_of(forward.run(pair))
    for chosen in _some(layer_sites):
        rows = {name: tensor.repeat(len(chosen), 1) for name, tensor in pair.items()}
        with visiting(forward.network, {layer_site: _exchange(2 * i) for i, layer_site in enumerate(chosen)}):
            output = forward.last_state_of(forward.run(rows))
        for i in range(len(chosen)):
            difference = (output[2 * i : 2 * i + 2].flip(0) - whole).double().norm() / whole.double().norm()
            if not float(difference) <= TOLERANCE.get(whole.dtype, COARSE):
                return False
    return True


def _some(layer_sites: Sequence[LayerSite]) -> Iterator[Sequence[LayerSite]]:
    for first in range(0, len(layer_sites), ROWS_AT_A_TIME):
        yield layer_sites[first : first + ROWS_AT_A_TIME]


def _exchange(row: int) -> Visit:
    def visit(values: Values) -> Values:
        changed = values.clone()
        changed[[row, row + 1]] = values[[row + 1, row]]
        return changed

    return visit


def _nudge(row: int) -> Visit:
    def visit(values: Values) -> Values:
        changed = values.clone()
        step = torch.linspace(1, 2, values.shape[-1], device=values.device, dtype=values.dtype)
        changed[row] += step * (1 + values[row].float().std().to(values.dtype))
        return changed

    return visit
