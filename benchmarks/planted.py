"""Activations in which some neurons carry labels by construction, made difficult in several ways.

72 to 88 neurons, 4 labels, of which a carrier is 1.3 higher where its label is; all have deviation 1, if the difficulty
is not another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.activations.held import HeldStore
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.targets import Labels
from neuronprobe.types import Ranking, Units

UNITS, NEURONS, LABELS, EACH = 1000, 72, 4, 2
HIGHER = 1.3
NOISE = (1 - HIGHER**2 * (LABELS - 1) / LABELS**2) ** 0.5
"""Deviation of a carrier where the label is the same."""


@dataclass(frozen=True)
class Planted:
    """Two splits, and sets of neurons of which each should have one at the top."""

    train: Split
    dev: Split
    sets: tuple[frozenset[int], ...]

    def recovered(self, ranking: Ranking) -> float:
        """The share of the sets that have a neuron in a top of as many neurons as there are sets."""
        top = ranking.order[: len(self.sets)].tolist()
        return sum(not own.isdisjoint(top) for own in self.sets) / len(self.sets)


Difficulty = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""From activations whose first neurons carry a label each, two neurons a label, and labels: those to rank."""


def plain(x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Nothing more."""
    return x


def copies(x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """16 more neurons are the carriers with noise of their own (twice each), which tell nothing new."""
    copied = x[:, : LABELS * EACH].repeat(1, 2)
    return torch.cat([x, copied + 0.6 * torch.randn(copied.shape, generator=generator)], 1)


def scales(x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Deviations from 1/8 to 8."""
    return x * 2 ** (6 * torch.rand(x.shape[1], generator=generator) - 3)


def distractors(x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """8 more neurons are the carriers' noise without the label: a probe subtracts them, though they tell nothing."""
    carriers = torch.arange(LABELS * EACH)
    noise = x[:, carriers] - HIGHER * (labels[:, None] == carriers % LABELS)
    return torch.cat([x, noise / NOISE + 0.1 * torch.randn(noise.shape, generator=generator)], 1)


def polysemous(x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Each carrier is as high for another label, and half as high for a third."""
    found, carriers = x.clone(), torch.arange(LABELS * EACH)
    for also, part in ((1, 1.0), (2, 0.5)):
        found[:, carriers] += part * HIGHER * (labels[:, None] == (carriers + also) % LABELS)
    return found


def low(x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Carriers are lower where their label is."""
    found = x.clone()
    found[:, : LABELS * EACH] *= -1
    return found


def groups(x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """A label's carriers are six likenesses of one neuron, which tell one label more than the next."""
    one = torch.randn(len(x), LABELS, generator=generator)
    one += torch.tensor([2.2, 1.8, 1.5, 1.2]) * (labels[:, None] == torch.arange(LABELS))
    likenesses = one.repeat(1, 6)
    likenesses = likenesses + 0.3 * torch.randn(likenesses.shape, generator=generator)
    return torch.cat([likenesses, x[:, LABELS * EACH :]], 1)


DIFFICULTIES: tuple[Difficulty, ...] = (plain, scales, low, polysemous, distractors, copies, groups)


def planted(difficulty: Difficulty, seed: int, units: int = UNITS) -> Planted:
    """Train and half as many units of dev; positions of the neurons are drawn."""
    generator = torch.Generator().manual_seed(seed)
    n = units + units // 2
    labels = torch.randint(LABELS, (n,), generator=generator)
    x = torch.randn(n, NEURONS, generator=generator)
    carriers = torch.arange(LABELS * EACH)
    x[:, carriers] = NOISE * x[:, carriers] + HIGHER * (labels[:, None] == carriers % LABELS)
    x = difficulty(x, labels, generator)
    order = torch.randperm(x.shape[1], generator=generator)
    position = order.argsort().tolist()
    wanted = [{i} for i in range(LABELS * EACH)]
    if difficulty is groups:
        wanted = [set(range(label, 6 * LABELS, LABELS)) for label in range(LABELS)]
    sets = tuple(frozenset(position[i] for i in own) for own in wanted)
    return Planted(split(x[:units, order], labels[:units]), split(x[units:, order], labels[units:]), sets)


def split(activations: Tensor, labels: Tensor) -> Split:
    """Of one layer; five units are a sentence."""
    n = len(labels)
    units = Units(torch.arange(n)[:, None], labels, torch.arange(n) // 5, tuple(map(str, range(n))), -(-n // 5))
    table = NeuronTable((Segment("residual", 0, activations.shape[1]),))
    return Split(units, HeldStore(activations.contiguous()), table, Labels(tuple("abcd")))
