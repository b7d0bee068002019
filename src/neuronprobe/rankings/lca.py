"""LCA's ranking in closed form (AAAI 2019 algorithm 1 = JMLR 2023 algorithm 3).

The papers raise p from 0 to 100 % and, at each p, add for every label the shortest prefix of its neurons, heaviest
first, that holds p of the label's weight mass. A neuron enters a label's set at the mass of the strictly heavier
ones, so its key is the least of these over labels, and one sort ranks all neurons.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.types import Ranking


def lca(weights: Float[Tensor, "label neuron"], seed: int = 0) -> Ranking:
    """Rank by weight mass: key, then the largest share |w| / Σ|w| over labels, then flat index.

    Weights that tie within a label share a key. A label without weight mass chooses no neuron. Neurons of zero weight
    come last, in an order drawn by `seed`: the ranking did not earn it. `score` is the key, smallest first: the mass at
    which the neuron becomes salient.
    """
    magnitude = weights.detach().double().abs()
    mass = magnitude.sum(1)
    massless = mass == 0
    share = torch.where(massless[:, None], 0.0, magnitude / mass.clamp_min(torch.finfo(torch.float64).tiny)[:, None])
    entry, by_label = _heavier_mass(share)
    entry = torch.where(share == 0, 1.0, entry)
    key, largest = entry.min(0).values, share.max(0).values
    order = torch.from_numpy(np.lexsort((-largest.numpy(), key.numpy(), largest.numpy() == 0)))
    earned = int((largest > 0).sum())
    drawn = torch.randperm(len(order) - earned, generator=torch.Generator().manual_seed(seed))
    order = torch.cat([order[:earned], order[earned:][drawn]])
    return Ranking(
        name="lca",
        order=order,
        score=key,
        by_label=by_label,
        entry=entry,
        cuts=_cuts(key, share),
        first_block=int(((key == 0) & (largest > 0)).sum()),
        earned=earned,
        massless=massless,
    )


def _heavier_mass(share: Float[Tensor, "label neuron"]) -> tuple[Tensor, Tensor]:
    """For each label and neuron the share of the strictly heavier neurons; and each label's order, heaviest first."""
    by_label = torch.argsort(share, dim=1, descending=True, stable=True)
    ordered = share.gather(1, by_label)
    before = torch.cat([torch.zeros_like(ordered[:, :1]), ordered.cumsum(1)[:, :-1]], dim=1)
    starts_tie = torch.ones_like(ordered, dtype=torch.bool)
    starts_tie[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    place = torch.arange(share.shape[1]).expand_as(by_label)
    first = torch.where(starts_tie, place, 0).cummax(1).values
    below_one = 1 - torch.finfo(torch.float64).eps  # what rounding makes of the last ones: a mass is never all of it
    before = before.gather(1, first).clamp_max(below_one)
    return torch.empty_like(share).scatter_(1, by_label, before), by_label


def _cuts(key: Float[Tensor, " neuron"], share: Float[Tensor, "label neuron"]) -> tuple[int, ...]:
    """How many neurons hold p % of every label's mass, p = 0..100 (at 0, each label's heaviest)."""
    selectable = key[share.max(0).values > 0].sort().values
    percents = torch.arange(101, dtype=torch.float64) / 100
    counts = torch.searchsorted(selectable, percents, right=False)
    counts[0] = int((selectable == 0).sum())
    return tuple(counts.tolist())
