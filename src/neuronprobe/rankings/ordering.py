"""A ranking by keys of its own, where scores alone don't order it (`Ranking.from_scores` where they do)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.neurons import Neurons
from neuronprobe.ordering import depth, in_order, shares
from neuronprobe.types import Ranking

__all__ = ["depth", "ordered", "shares"]


def ordered(
    name: str, keys: tuple[Tensor, ...], is_earned: Bool[Tensor, " neuron"], score: Float[Tensor, " neuron"],
    by_label: Float[Tensor, "label neuron"], seed: int,
) -> Ranking:  # fmt: skip
    """Earned neurons by `keys`, the first decides, smallest first, then by flat index; the others drawn by the seed."""
    return Ranking(name, in_order(keys, is_earned, seed), score, int(is_earned.sum()), by_label)


def mean_over(labels: Bool[Tensor, " label"], own: Float[Tensor, "label neuron"]) -> Float[Tensor, " neuron"]:
    """The mean of the labels' own scores over the labels that there are: each counts the same, however rare."""
    return own[labels].mean(0)


def in_this_order(
    name: str, order: Neurons, score: Float[Tensor, " chosen"], own: Float[Tensor, "label neuron"], seed: int
) -> Ranking:
    """Some neurons that a method put in order, each with its score, before all others, whose score is 0.

    A label's own order is by its own scores, of these neurons alone.
    """
    n = own.shape[1]
    position, scores, is_chosen = torch.full((n,), n), torch.zeros(n, dtype=torch.float64), torch.zeros(n).bool()
    position[order], scores[order], is_chosen[order] = torch.arange(len(order)), score.double(), True
    return ordered(name, (position,), is_chosen, scores, depth(shares(torch.where(is_chosen, own.double(), 0.0))), seed)
