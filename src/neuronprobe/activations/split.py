"""A split as probes see it: units and their activations; and the stream of shuffled batches."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor
from torch.utils.data import IterableDataset

from neuronprobe.activations.held import HeldStore
from neuronprobe.activations.live import LiveStore
from neuronprobe.activations.store import Store
from neuronprobe.neurons import Neurons, NeuronTable, Segment
from neuronprobe.progress import bar
from neuronprobe.targets import Target
from neuronprobe.types import Batch, Units

BLOCK = 256
BLOCKS_AT_A_TIME = 64
READ, COLUMNS = 256, 64
"""Units, or neurons of held activations, that are gathered at a time: caches hold these, or nearly."""


class Standardisation(NamedTuple):
    """What makes activations z-scores: (activation − mean) / deviation."""

    mean: Float[Tensor, " neuron"]
    deviation: Float[Tensor, " neuron"]


class Split:
    """The units of one split over a store; a batch is gathered when it is asked for."""

    def __init__(
        self,
        units: Units,
        store: Store | LiveStore | HeldStore,
        neurons: NeuronTable,
        target: Target,
        memory_limit: float = float("inf"),
    ) -> None:
        """`memory_limit` is in GiB: a larger store is read in shuffled blocks and never moved to a device whole."""
        self.units, self.neurons, self.target, self.memory_limit = units, neurons, target, memory_limit
        self.fits_in_memory = store.gibibytes <= memory_limit
        self._store = store
        self._held: Float[Tensor, "neuron unit"] | None = None

    def __len__(self) -> int:
        return len(self.units)

    @property
    def n_labels(self) -> int:
        """How many outputs a probe has: labels of train, or 1 for values."""
        return len(self.target)

    def to(self, device: torch.device) -> Split:
        """This split with its activations on a device."""
        if self.fits_in_memory:
            self._store.to(device)
            self._held = None if self._held is None else self._held.to(device)
            if (known := self.__dict__.get("standardisation")) is not None:
                self.__dict__["standardisation"] = Standardisation(*(part.to(self.device) for part in known))
        return self

    def hold(self, most: float) -> None:
        """Keep the activations in memory as float32, neuron by neuron, unless that takes more than `most` GiB.

        Neighbouring units are then read without a copy, and some neurons without the others.
        """
        if self._held is not None or not self.fits_in_memory or len(self) * len(self.neurons) * 4 > most * 2**30:
            return
        held = torch.empty(len(self.neurons), len(self), dtype=torch.float32, device=self.device)
        for batch in self.blocks():
            held[:, batch.positions] = batch.activations.T
        self._held = held
        self._store.let_go()

    @property
    def device(self) -> torch.device:
        """Where batches lie."""
        return self._store.device

    def batch(self, index: Int[Tensor, " unit"]) -> Batch:
        """The chosen units with their activations."""
        units = self.units
        if self._held is not None and _are_neighbours(index):
            activations = self._held[:, index[0] : index[-1] + 1].T
        else:
            activations = self._store.gather(units.rows[index])
        parts = (units.labels[index], units.sentences[index], index)
        labels, sentences, positions = (part.to(activations.device) for part in parts)
        return Batch(activations, labels, sentences, positions)

    def columns(self, index: Int[Tensor, " unit"], neurons: Int[Tensor, " chosen"]) -> Float[Tensor, "chosen unit"]:
        """Activations of some neurons at some units."""
        found = torch.empty(len(neurons), len(index), dtype=torch.float32, device=self.device)
        neurons = neurons.to(self.device)
        if self._held is not None:
            index = index.to(self.device)
            for own, part in zip(neurons.split(COLUMNS), found.split(COLUMNS), strict=True):
                torch.index_select(self._held.index_select(0, own), 1, index, out=part)
        else:
            for own, part in zip(index.split(READ), found.split(READ, dim=1), strict=True):
                part.copy_(self._store.gather(self.units.rows[own]).index_select(1, neurons).T)
        return found

    @cached_property
    def standardisation(self) -> Standardisation:
        """Mean and deviation of every neuron over the units, in one pass; a constant neuron's deviation is 1."""
        total = torch.zeros(2, len(self.neurons), dtype=torch.float64, device=self.device)
        for batch in self.blocks():
            values = batch.activations.double()
            total += torch.stack([values.sum(0), values.square().sum(0)])
        mean, square = total / max(1, len(self))
        variance = square - mean.square()
        is_constant = variance <= 1e-12 * square
        return Standardisation(mean.float(), torch.where(is_constant, 1.0, variance.clamp_min(0).sqrt()).float())

    def relabelled(self, labels: Real[Tensor, " unit"]) -> Split:
        """The same units and activations with other labels (a control task's)."""
        other = copy(self)
        other.units = replace(self.units, labels=labels)
        return other

    def of(self, neurons: Neurons) -> Split:
        """The same units with some neurons alone, in memory: a flat index is a position in `neurons`."""
        chosen = neurons.to(self.device)
        held = torch.cat([batch.activations[:, chosen] for batch in self.blocks()])
        units = replace(self.units, rows=torch.arange(len(self))[:, None])
        return Split(units, HeldStore(held), NeuronTable((Segment("chosen", 0, len(neurons)),)), self.target)

    def blocks(self, size: int = 4096, doing: str = "reading activations") -> Iterator[Batch]:
        """All units in order, with a bar that says what is being done."""
        with bar(doing, len(self)) as advance:
            for start, index in enumerate(torch.arange(len(self)).split(size)):
                yield self.batch(index)
                advance(start * size + len(index))


def _are_neighbours(index: Int[Tensor, " unit"]) -> bool:
    return len(index) > 0 and bool((index.diff() == 1).all())


class BatchStream(IterableDataset[Batch]):
    """Whole batches of one epoch. With `seed` the order is a function of (seed, epoch), else the split's.

    `batch_size` is global: each of `world` processes takes its share of every batch, so all have as many batches.
    A split beyond the memory limit is shuffled in blocks of neighbours, some at a time: pages are read once an epoch.
    """

    def __init__(
        self, split: Split, batch_size: int, seed: int | None = None, epoch: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        self._split, self._batch_size, self._seed, self._epoch = split, batch_size, seed, epoch
        self._rank, self._world = rank, world

    def __len__(self) -> int:
        return -(-len(self._split) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for index in self._order().split(self._batch_size):
            mine = index[self._rank :: self._world]
            yield self._split.batch(mine)._replace(share=len(mine) * self._world / len(index))

    def _order(self) -> Int[Tensor, " unit"]:
        if self._seed is None:
            return torch.arange(len(self._split))
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        if self._split.fits_in_memory:
            return torch.randperm(len(self._split), generator=generator)
        return shuffled_blocks(len(self._split), generator)


def shuffled_blocks(n: int, generator: torch.Generator) -> Int[Tensor, " unit"]:
    """0..n-1 with blocks of neighbours in random order, and units shuffled within each handful of blocks."""
    blocks = torch.arange(n).split(BLOCK)
    order = torch.randperm(len(blocks), generator=generator).tolist()
    handfuls = [
        torch.cat([blocks[b] for b in order[i : i + BLOCKS_AT_A_TIME]]) for i in range(0, len(order), BLOCKS_AT_A_TIME)
    ]
    return torch.cat([handful[torch.randperm(len(handful), generator=generator)] for handful in handfuls])
