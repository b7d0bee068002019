"""How much the tops of several rankings share, beside what chance gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.neurons import NeuronTable, top
from neuronprobe.types import Ranking


@dataclass(frozen=True)
class Overlap:
    """Of all pairs of sets: shared neurons over the larger set; and its expectation for random sets of those sizes.

    `chance` draws from all neurons (for sets of k: k over their number); `layer_matched` from each layer as many as the
    sets have.
    """

    pairs: Float[Tensor, " pair"]
    chance: float
    layer_matched: float

    def about(self) -> dict[str, Any]:
        """Number of pairs and both chances, as flags of a row; its low and high are the extreme pairs."""
        flags = {"pairs": len(self.pairs), "ends": "extreme pairs"}
        return flags | {"chance": self.chance, "chance_layer_matched": self.layer_matched}


def top_sets(rankings: Sequence[Ranking], k: int) -> Bool[Tensor, "ranking neuron"]:
    """The top k of each ranking, without neurons that it did not earn."""
    sets = torch.zeros(len(rankings), len(rankings[0].order), dtype=torch.bool)
    for chosen, ranking in zip(sets, rankings, strict=True):
        chosen[top(ranking.order, min(k, ranking.earned))] = True
    return sets


def first_blocks(rankings: Sequence[Ranking]) -> Bool[Tensor, "ranking neuron"]:
    """The neurons that tie at the front of each ranking: each label's heaviest."""
    sets = torch.zeros(len(rankings), len(rankings[0].order), dtype=torch.bool)
    for chosen, ranking in zip(sets, rankings, strict=True):
        chosen[top(ranking.order, ranking.first_block)] = True
    return sets


def overlap(sets: Bool[Tensor, "ranking neuron"], table: NeuronTable) -> Overlap:
    """Overlap of all pairs. Sets of equal size k: |A ∩ B| / k, by chance k over the number of neurons."""
    first, second = torch.triu_indices(len(sets), len(sets), offset=1)
    chosen = sets.double()
    sizes = chosen.sum(1)
    larger = torch.maximum(sizes[first], sizes[second]).clamp_min(1)
    shared = (chosen @ chosen.T)[first, second]
    by_chance = sizes[first] * sizes[second] / sets.shape[1]
    layers = torch.nn.functional.one_hot(table.segment_of, len(table.segments)).double()
    counts = chosen @ layers
    matched = (counts[first] * counts[second] / layers.sum(0).clamp_min(1)).sum(1)
    return Overlap(shared / larger, float((by_chance / larger).mean()), float((matched / larger).mean()))
