"""A ranking by keys of its own, where scores alone don't order it (`Ranking.from_scores` where they do)."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.ordering import depth, in_order, shares
from neuronprobe.types import Ranking

__all__ = ["depth", "ordered", "shares"]


def ordered(
    name: str, keys: tuple[Tensor, ...], is_earned: Bool[Tensor, " neuron"], score: Float[Tensor, " neuron"],
    by_label: Float[Tensor, "label neuron"], seed: int,
) -> Ranking:  # fmt: skip
    """Earned neurons by `keys`, the first decides, smallest first, then by flat index; the others drawn by the seed."""
    return Ranking(name, in_order(keys, is_earned, seed), score, int(is_earned.sum()), by_label)
