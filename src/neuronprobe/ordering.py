"""What orders neurons: keys, and how deep a neuron stands in each label's own order."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def in_order(keys: tuple[Tensor, ...], is_earned: Bool[Tensor, " neuron"], seed: int) -> Int[Tensor, " neuron"]:
    """Earned neurons by `keys`, the first decides, smallest first, then by flat index; the others drawn by the seed."""
    order = torch.from_numpy(np.lexsort((*(key.numpy() for key in reversed(keys)), ~is_earned.numpy())))
    earned = int(is_earned.sum())
    drawn = torch.randperm(len(order) - earned, generator=torch.Generator().manual_seed(seed))
    return torch.cat([order[:earned], order[earned:][drawn]])


def shares(scores: Float[Tensor, "label neuron"]) -> Float[Tensor, "label neuron"]:
    """Each neuron's part in what a label gives out (the sum of its scores); 0 for a label that gives none."""
    total = scores.sum(1, keepdim=True)
    return torch.where(total > 0, scores / total.clamp_min(torch.finfo(torch.float64).tiny), 0.0)


def depth(share: Float[Tensor, "label neuron"]) -> Float[Tensor, "label neuron"]:
    """For each label and neuron the share that strictly larger ones have (ties share a depth); 1 where it has none."""
    by_label = torch.argsort(share, dim=1, descending=True, stable=True)
    sorted_ = share.gather(1, by_label)
    before = torch.cat([torch.zeros_like(sorted_[:, :1]), sorted_.cumsum(1)[:, :-1]], dim=1)
    starts_tie = torch.ones_like(sorted_, dtype=torch.bool)
    starts_tie[:, 1:] = sorted_[:, 1:] != sorted_[:, :-1]
    position = torch.arange(share.shape[1]).expand_as(by_label)
    first = torch.where(starts_tie, position, 0).cummax(1).values
    below_one = 1 - torch.finfo(torch.float64).eps  # what rounding makes of the last ones: a share is never all of it
    before = before.gather(1, first).clamp_max(below_one)
    found = torch.empty_like(share).scatter_(1, by_label, before)
    return torch.where(share == 0, 1.0, found)
