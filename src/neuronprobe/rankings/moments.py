"""Weighted moments of every neuron per label, in one pass over train that all rankings by moments share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.rankings.last import Last

BLOCK = 128
"""Units at a time: their activations in float64 stay in the processor's cache, or nearly."""
FEW_LABELS = 64
"""Up to here sums per label are products with zeros and ones, which are faster than to add row by row."""
ROUNDING = 1e-10
"""Means closer than this share of the largest are equal: those of a neuron that tells nothing differ by rounding."""


@dataclass(frozen=True)
class Moments:
    """In float64: the weight of each label, each neuron's sum per label, its sum of squares, and its range."""

    counts: Float[Tensor, " label"]
    sums: Float[Tensor, "label neuron"]
    squares: Float[Tensor, " neuron"]
    low: Float[Tensor, " neuron"]
    high: Float[Tensor, " neuron"]

    @cached_property
    def total(self) -> float:
        """The weight of all units."""
        return float(self.counts.sum())

    @cached_property
    def there(self) -> Bool[Tensor, " label"]:
        """The labels that there are."""
        return self.counts > 0

    @cached_property
    def varies(self) -> Bool[Tensor, " neuron"]:
        """Whether a neuron is not constant."""
        return self.high > self.low

    @cached_property
    def mean(self) -> Float[Tensor, " neuron"]:
        """Over all units."""
        return self.sums.sum(0) / self.total

    @cached_property
    def variance(self) -> Float[Tensor, " neuron"]:
        """Over all units; 0 for a constant neuron."""
        variance = (self.squares / self.total - self.mean.square()).clamp_min(0)
        return torch.where(self.varies, variance, 0.0)

    @cached_property
    def centred(self) -> Float[Tensor, "label neuron"]:
        """The mean of each label less that of all units; 0 for labels that there are not, and where it is rounding."""
        means = self.sums / self._divisor
        centred = torch.where(self.there[:, None], means - self.mean, 0.0)
        return torch.where(self.varies & (centred.abs() > ROUNDING * means.abs().amax(0)), centred, 0.0)

    @cached_property
    def from_rest(self) -> Float[Tensor, "label neuron"]:
        """The mean of each label less that of all other units; 0 for labels that there are not."""
        rest = (self.total - self.counts).clamp_min(torch.finfo(torch.float64).tiny)
        return torch.where(self.there[:, None], self.centred * (self.total / rest)[:, None], 0.0)

    @property
    def _divisor(self) -> Float[Tensor, "label 1"]:
        return self.counts.clamp_min(torch.finfo(torch.float64).tiny)[:, None]


_last = Last[Moments]()


def moments(train: Split, weights: Float[Tensor, " unit"] | None) -> Moments:
    """The moments of a weighting of train; those made last are remembered. Units of weight 0 don't count.

    Of values all units are the one output's own.
    """
    return _last.get(train, (weights,), lambda: _in_one_pass(train, weights))


def _in_one_pass(train: Split, weights: Float[Tensor, " unit"] | None) -> Moments:
    n_labels, n_neurons = train.n_labels, len(train.neurons)
    sums = torch.zeros(n_labels, n_neurons, dtype=torch.float64, device=train.device)
    squares = torch.zeros(n_neurons, dtype=torch.float64, device=train.device)
    low = torch.full((n_neurons,), torch.inf, device=train.device)
    high, counts = -low, torch.zeros(n_labels, dtype=torch.float64, device=train.device)
    room = torch.empty(BLOCK, n_neurons, dtype=torch.float64, device=train.device)  # fresh pages would cost as much
    for batch in train.blocks(BLOCK):
        values, labels = batch.activations, train.target.either(batch.labels, torch.zeros_like(batch.labels).long())
        own = torch.ones(len(labels)) if weights is None else weights[batch.positions.cpu()]
        if not bool(own.all()):
            values, labels, own = values[own > 0], labels[own > 0], own[own > 0]
        if not len(labels):
            continue
        low, high = torch.minimum(low, values.amin(0)), torch.maximum(high, values.amax(0))
        own, exact = own.double().to(values.device), room[: len(values)].copy_(values)
        counts.index_add_(0, labels, own)
        _add(sums, exact, labels, own)
        squares.addmv_(exact.square_().T, own)
    return Moments(counts.cpu(), sums.cpu(), squares.cpu(), low.double().cpu(), high.double().cpu())


def _add(sums: Tensor, values: Tensor, labels: Tensor, weights: Tensor) -> None:
    """Add each weighted row to its label's sum."""
    if len(sums) > FEW_LABELS:
        sums.index_add_(0, labels, values * weights[:, None])
        return
    chosen = torch.zeros(len(sums), len(labels), dtype=torch.float64, device=values.device)
    chosen[labels, torch.arange(len(labels), device=values.device)] = weights
    sums.addmm_(chosen, values)
