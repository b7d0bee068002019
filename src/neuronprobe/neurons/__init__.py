"""The neuron table: which neuron a flat index is; and the sets of neurons that studies compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from neuronprobe.errors import InputError

Neurons = Int[Tensor, " _"]


@dataclass(frozen=True)
class Segment:
    """The neurons of one layer at one site; `role` tells the parts of a unit apart (head, modifier).

    `heads` is how many attention heads lie side by side in it, where it is the output of attention.
    """

    site: str
    layer: int
    width: int
    role: str | None = None
    heads: int | None = None


@dataclass(frozen=True)
class Neuron:
    """(site, layer, index, role) of one neuron; layer 0 = embeddings. `attention_head` counts from 0."""

    site: str
    layer: int
    index: int
    role: str | None = None
    attention_head: int | None = None

    def __str__(self) -> str:
        parts = (self.role, f"layer {self.layer}", self.index)
        return f"({', '.join(str(part) for part in parts if part is not None)})"


@dataclass(frozen=True)
class NeuronTable:
    """Segments in the order of the flat index: the only way from a flat index to a neuron and back."""

    segments: tuple[Segment, ...]

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First flat index of each segment, and the number of all neurons at the end."""
        starts = [0]
        for segment in self.segments:
            starts.append(starts[-1] + segment.width)
        return tuple(starts)

    def __len__(self) -> int:
        return self.starts[-1]

    @cached_property
    def segment_of(self) -> Int[Tensor, " neuron"]:
        """Which segment each flat index belongs to."""
        widths = torch.tensor([segment.width for segment in self.segments])
        return torch.repeat_interleave(torch.arange(len(self.segments)), widths)

    def neuron(self, flat: int) -> Neuron:
        """The neuron of a flat index; IndexError beyond the table."""
        if not 0 <= flat < len(self):
            raise IndexError(f"flat index must be between 0 and {len(self) - 1}, got {flat}.")
        which = int(self.segment_of[flat])
        segment = self.segments[which]
        index = flat - self.starts[which]
        head = None if segment.heads is None else index * segment.heads // segment.width
        return Neuron(segment.site, segment.layer, index, segment.role, head)

    def flat(self, neuron: Neuron) -> int:
        """The flat index of a neuron; KeyError if the table has no such neuron."""
        for start, segment in zip(self.starts, self.segments, strict=False):
            here = (segment.site, segment.layer, segment.role) == (neuron.site, neuron.layer, neuron.role)
            if here and 0 <= neuron.index < segment.width:
                return start + neuron.index
        raise KeyError(f"the neuron table has no {neuron}.")

    def counts(self, neurons: Neurons) -> Int[Tensor, " segment"]:
        """How many of `neurons` lie in each segment."""
        return torch.bincount(self.segment_of[neurons], minlength=len(self.segments))

    def with_roles(self, roles: Sequence[str | None]) -> NeuronTable:
        """The table of units that put one vector of this table per role side by side."""
        return NeuronTable(tuple(replace(segment, role=role) for role in roles for segment in self.segments))

    def as_list(self) -> list[dict[str, Any]]:
        """Plain data for index.json and checkpoints."""
        return [asdict(segment) for segment in self.segments]

    @classmethod
    def from_list(cls, segments: Sequence[dict[str, Any]]) -> NeuronTable:
        """Inverse of `as_list`."""
        return cls(tuple(Segment(**segment) for segment in segments))


def size(name: str, value: int | float, n_neurons: int) -> int:
    """Number of neurons that `value` means: an int is a count, a float below 1 a share (at least one neuron).

    Raises InputError when it is neither, or beyond the neurons that there are.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= n_neurons:
        return value
    if isinstance(value, float) and 0 < value <= 1:
        return max(1, round(value * n_neurons))
    raise InputError(
        f"{name} must be a count from 1 to {n_neurons} (the neurons there are) or a share up to 1.0, got {value!r}."
    )


def top(order: Int[Tensor, " neuron"], k: int) -> Neurons:
    """The k most salient neurons."""
    return order[:k]


def bottom(order: Int[Tensor, " neuron"], k: int) -> Neurons:
    """The k least salient neurons."""
    return order[len(order) - k :]


def random(n_neurons: int, k: int, seed: int) -> Neurons:
    """k neurons drawn from all of them, the top included."""
    return torch.randperm(n_neurons, generator=torch.Generator().manual_seed(seed))[:k]


def layer_matched(table: NeuronTable, neurons: Neurons, seed: int) -> Neurons:
    """A random set with as many neurons of each segment as `neurons` has (all that a segment has, if it runs out)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for start, segment, count in zip(table.starts, table.segments, table.counts(neurons).tolist(), strict=False):
        drawn.append(start + torch.randperm(segment.width, generator=generator)[:count])
    return torch.cat(drawn)
