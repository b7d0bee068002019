"""The hook: one mechanism that reads and edits activations in the running network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

Values = Float[Tensor, "sentence position neuron"]
Visit = Callable[[Values], Values | None]
"""Sees the values of a site in a layer; what it returns, if anything, the network goes on with."""


@dataclass(frozen=True)
class LayerSite:
    """A site in a layer, which is one tensor: the input or output of a module, the `call`-th time that it is called.

    `layout` says how the tensor lies: batch [sentence, position, neuron], time [position, sentence, neuron] (XLNet) or
    flat [sentence · position, neuron] (OPT).
    """

    site: str
    layer: int
    module: str
    tap: str
    width: int
    call: int = 0
    layout: str = "batch"


Calls = Mapping[int, list[tuple[LayerSite, Visit]]]
"""The visits of a module, by the number of its call."""


class Enough(Exception):
    """All that was asked for was read."""


@contextmanager
def visiting(network: nn.Module, visits: Mapping[LayerSite, Visit]) -> Iterator[None]:
    """While open, every forward pass of `network` shows each visit its values; always cleans up."""
    pass_ = _Pass()
    by_module: dict[tuple[str, str], dict[int, list[tuple[LayerSite, Visit]]]] = defaultdict(lambda: defaultdict(list))
    for layer_site, visit in visits.items():
        by_module[layer_site.module, layer_site.tap][layer_site.call].append((layer_site, visit))
    handles = [network.register_forward_pre_hook(pass_.begin, with_kwargs=True, prepend=True)]
    try:
        for (name, tap), calls in by_module.items():
            module = network.get_submodule(name)
            if tap == "input":
                handles.append(module.register_forward_pre_hook(pass_.at_input(name, calls), with_kwargs=True))
            else:
                handles.append(module.register_forward_hook(pass_.at_output(name, calls)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def read(
    network: nn.Module, layer_sites: Sequence[LayerSite], run: Callable[[], Any],
    pick: Callable[[Values], Tensor] | None = None,
) -> list[Tensor]:  # fmt: skip
    """What `pick` takes of the values of each (all, without it); the forward pass stops when all are read."""
    found: dict[LayerSite, Tensor] = {}

    def keep(layer_site: LayerSite) -> Visit:
        def visit(values: Values) -> None:
            found[layer_site] = values if pick is None else pick(values)
            if len(found) == len(layer_sites):
                raise Enough

        return visit

    with visiting(network, {one: keep(one) for one in layer_sites}), suppress(Enough):
        run()
    return [found[one] for one in layer_sites]


class _Pass:
    """What is counted in one forward pass."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], int] = {}
        self._shape = (0, 0)

    def begin(self, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._calls.clear()
        ids = first_tensor([kwargs.get("input_ids"), kwargs.get("inputs_embeds"), *args])
        self._shape = (ids.shape[0], ids.shape[1]) if ids is not None else (0, 0)

    def at_input(self, name: str, calls: Calls) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            tensor = first_tensor([args, *kwargs.values()])
            new = self._visit((name, "input"), calls, tensor)
            return None if new is None else (replaced(args, tensor, new), replaced(kwargs, tensor, new))

        return hook

    def at_output(self, name: str, calls: Calls) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            tensor = first_tensor([output])
            new = self._visit((name, "output"), calls, tensor)
            return None if new is None else replaced(output, tensor, new)

        return hook

    def _visit(self, key: tuple[str, str], calls: Calls, tensor: Tensor | None) -> Tensor | None:
        number = self._calls.get(key, 0)
        self._calls[key] = number + 1
        if number not in calls or tensor is None:
            return None
        values = before = arranged(tensor, calls[number][0][0].layout, self._shape)
        for _, visit in calls[number]:
            new = visit(values)
            values = values if new is None else new
        if values is before:
            return None
        back = values.transpose(0, 1) if calls[number][0][0].layout == "time" else values
        return back.reshape(tensor.shape).to(tensor.dtype)


def arranged(tensor: Tensor, layout: str, shape: tuple[int, int]) -> Values:
    """A tensor of any layout as [sentence, position, neuron]."""
    if layout == "time":
        return tensor.transpose(0, 1)
    return tensor.view(*shape, -1) if layout == "flat" else tensor


def layout_of(tensor: Tensor, shape: tuple[int, int]) -> str | None:
    """How a tensor lies, seen in a batch of unequal `shape` (sentence, position); None if it has no such axes."""
    leading = tuple(tensor.shape[:-1])
    layouts = {shape: "batch", shape[::-1]: "time", (shape[0] * shape[1],): "flat"}
    return layouts.get(leading) if tensor.is_floating_point() else None


def first_tensor(values: Any) -> Tensor | None:
    """The first floating tensor (or ids) in nested tuples, lists and mappings."""
    if isinstance(values, Tensor):
        return values
    inner = values.values() if isinstance(values, dict) else values if isinstance(values, tuple | list) else ()
    return next((found for value in inner if (found := first_tensor(value)) is not None), None)


def replaced(values: Any, old: Tensor | None, new: Tensor) -> Any:
    """`values` with one tensor instead of another, nested as they are."""
    if values is old:
        return new
    if isinstance(values, tuple) and not hasattr(values, "_fields"):
        return tuple(replaced(value, old, new) for value in values)
    if isinstance(values, list):
        return [replaced(value, old, new) for value in values]
    if isinstance(values, dict):
        changed = {key: replaced(value, old, new) for key, value in values.items()}
        return changed if type(values) is dict else type(values)(**changed)
    return values
