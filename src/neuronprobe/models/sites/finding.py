"""Finding the modules that a site is in a network, on one batch whose length differs from its size."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neuronprobe.errors import InputError
from neuronprobe.models.sites.hook import LayerSite, first_tensor, layout_of
from neuronprobe.models.sites.site import ATTENTION, RESIDUAL, Site, matches, preset

States = Sequence[Float[Tensor, "sentence position neuron"]]
IN_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
CROSS = re.compile(r"cross|encdec|encoder_attn", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """One call of a module: its first tensor before and after."""

    module: str
    call: int
    of: nn.Module
    before: Tensor | None
    after: Tensor | None


class Anatomy:
    """What one forward pass shows: every call of every module, beside the hidden states that the model returns."""

    def __init__(self, network: nn.Module, run: Callable[[], Any], states: Callable[[Any], States]) -> None:
        """`run` is a forward pass that returns hidden states, `states` picks them."""
        self._network = network
        self._calls, output = calls(network, run)
        self.states = list(states(output))
        self._shape = (self.states[0].shape[0], self.states[0].shape[1])
        self._blocks = self._find_blocks()

    @property
    def blocks(self) -> list[str]:
        """The blocks' modules, each once."""
        return list(dict.fromkeys(block.module for block in self._blocks))

    def find(self, site: Site, family: str, is_decoder: bool) -> list[LayerSite]:
        """The site in every layer that has it, lowest first; of residual none, where no blocks are found.

        Raises InputError where a site is not there.
        """
        if site.name == RESIDUAL and site.pattern is None:
            return self._residual()
        pattern, tap = site.pattern, site.tap
        if pattern is None:
            pattern, tap = preset(family, site.name, is_decoder) or self._by_structure(site.name), "input"
        found = [self._layer_site(site.name, block, call, tap) for block, call in self._hits(pattern, tap)]
        return _one_per_layer(site.name, sorted(found, key=lambda one: one.layer))

    def _residual(self) -> list[LayerSite]:
        """Layer i is the input of block i + 1; the last layer is the output of the last norm, or block."""
        if not self._blocks:
            return []
        inputs = [self._layer_site(RESIDUAL, layer - 1, call, "input") for layer, call in enumerate(self._blocks)]
        behind = [call for call in self._calls if _same(call.after, self.states[-1])]
        last = next((call for call in behind if call is self._blocks[-1]), behind[0])
        return [*inputs, self._layer_site(RESIDUAL, len(inputs) - 1, last, "output")]

    def _layer_site(self, site: str, block: int, call: Call, tap: str) -> LayerSite:
        tensor = call.before if tap == "input" else call.after
        layout = None if tensor is None else layout_of(tensor, self._shape)
        if tensor is None or layout is None:
            seen = "none" if tensor is None else f"shape {tuple(tensor.shape)}"
            raise InputError(
                f"the {tap} of {call.module} must be a tensor of activations of each subword to be site {site}, "
                f"got {seen}; choose another module or tap."
            )
        return LayerSite(site, block + 1, call.module, tap, tensor.shape[-1], call.call, layout)

    def _hits(self, pattern: str, tap: str) -> list[tuple[int, Call]]:
        """The calls of the modules that a pattern matches, with the block that each is in."""
        found = []
        for path, block in matches(pattern, [name for name, _ in self._network.named_modules()]):
            own = [call for call in self._calls if call.module == path]
            if not own:
                raise InputError(f"model.sites must name modules that are used, got {path}, which is never called.")
            found += [(self._block_of(call, tap) if block is None else block, call) for call in own]
        return found

    def _block_of(self, call: Call, tap: str = "output") -> int:
        """The block that a call is in, from 0; −1 before the first, and behind the last as in the last."""
        for i, block in enumerate(self._blocks):
            inside = call.module == block.module or call.module.startswith(f"{block.module}.")
            if inside and self._calls.index(call) <= self._calls.index(block) and self._is_in_turn(call, block):
                return i
        is_behind = bool(self._blocks) and self._calls.index(call) > self._calls.index(self._blocks[-1])
        is_around = is_behind and self._blocks[0].module.startswith(f"{call.module}.")
        return len(self._blocks) - 1 if is_behind and not (is_around and tap == "input") else -1

    def _is_in_turn(self, call: Call, block: Call) -> bool:
        """Whether a block that is called several times (ALBERT) ran `call` in this turn."""
        before = next((c for c in self._calls if (c.module, c.call) == (block.module, block.call - 1)), None)
        return before is None or self._calls.index(call) > self._calls.index(before)

    def _by_structure(self, name: str) -> str:
        """The pattern of the last matrix back to the residual stream, of the attention part or of the other."""
        if not self._blocks:
            raise InputError(
                f"site {name} must be given as {{name, pattern, tap}} for this model: no blocks were found."
            )
        prefix = self._blocks[0].module
        found = [
            call.module[len(prefix) :]
            for call in self._calls
            if self._block_of(call) == 0 and self._is_matrix_back(call) and not CROSS.search(call.module)
        ]
        found = [inner for inner in found if bool(IN_ATTENTION.search(inner)) == (name == ATTENTION)]
        if not found:
            raise InputError(
                f"model.sites must be there in the model, got {name}, for which its blocks have no module; "
                "give {name, pattern, tap} of a module."
            )
        return "|".join(re.escape(block) + re.escape(found[-1]) for block in self.blocks)

    def _is_matrix_back(self, call: Call) -> bool:
        weight = getattr(call.of, "weight", None)
        is_matrix = isinstance(weight, Tensor) and weight.dim() == 2 and not isinstance(call.of, nn.Embedding)
        return is_matrix and call.after is not None and call.after.shape[-1] == self.states[0].shape[-1]

    def _find_blocks(self) -> list[Call]:
        """The calls that take the hidden states 0..L−1 as their inputs: of a list's modules, or of one module."""
        n_blocks = len(self.states) - 1
        by_input = [[c for c in self._calls if _same(c.before, state)] for state in self.states[:-1]]
        lists = [name for name, module in self._network.named_modules()
                 if isinstance(module, nn.ModuleList) and len(module) == n_blocks]  # fmt: skip
        repeated = sorted((call.module for call in by_input[0]), key=len) if n_blocks > 1 else []
        chains: list[list[tuple[str, int | None]]]
        chains = [[(f"{name}.{i}".removeprefix("."), None) for i in range(n_blocks)] for name in lists]
        chains += [[(path, i) for i in range(n_blocks)] for path in repeated]
        for chain in chains:
            found = [
                next((c for c in here if c.module == path and call in (None, c.call)), None)
                for here, (path, call) in zip(by_input, chain, strict=True)
            ]
            if all(found):
                return [call for call in found if call]
        return []


def _same(tensor: Tensor | None, state: Tensor) -> bool:
    """Whether a tensor is a hidden state, up to the order of its axes."""
    if tensor is None or not tensor.is_floating_point() or tensor.numel() != state.numel():
        return False
    layout = layout_of(tensor, (state.shape[0], state.shape[1]))
    if layout is None:
        return False
    flat = tensor.transpose(0, 1) if layout == "time" else tensor
    return torch.equal(flat.reshape(state.shape), state)


def _one_per_layer(site: str, found: list[LayerSite]) -> list[LayerSite]:
    layers = [one.layer for one in found]
    if len(set(layers)) < len(layers):
        twice = next(layer for layer in layers if layers.count(layer) > 1)
        modules = ", ".join(one.module for one in found if one.layer == twice)
        raise InputError(f"site {site} must be one module in each layer, got {modules} in layer {twice}; narrow it.")
    return found


@torch.no_grad()
def calls(network: nn.Module, run: Callable[[], Any]) -> tuple[list[Call], Any]:
    """Every call of every module in a forward pass, in the order of their ends, and what the network returned."""
    found: list[Call] = []
    counts: dict[str, int] = defaultdict(int)

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            before, after = first_tensor([args, *kwargs.values()]), first_tensor([output])
            found.append(Call(name, counts[name], module, before, after))
            counts[name] += 1

        return hook

    named = [(name, module) for name, module in network.named_modules() if name]
    handles = [module.register_forward_hook(note(name), with_kwargs=True) for name, module in named]
    try:
        return found, run()
    finally:
        for handle in handles:
            handle.remove()
