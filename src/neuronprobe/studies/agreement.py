"""How far rankings agree (Fan et al. 2023, section 4: AvgOverlap and NeuronVote), beside what chance gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import hypergeom, spearmanr
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.neurons import Neurons, top
from neuronprobe.rankings.borda import points
from neuronprobe.shown import Table
from neuronprobe.studies.cells import PlainRow, first, notes, percent, plain
from neuronprobe.studies.sets import sizes
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Ranking, Result, Row

VOTE = 1_000_003
"""Added to the seed for the order of neurons that have equal points."""


def agreement(trained: Trained, values: Sequence[int | float]) -> Result:
    """Of each size and ranking: the mean Jaccard overlap of its top with the others' (average_overlap), and that with
    the top by Borda's count of the others (neuron_vote); of each pair its overlap, and the rank correlation.

    Tops are of the whole order, drawn neurons included. Raises InputError where there is only one ranking.
    """
    counts = sizes(values, len(trained.table))
    if len(trained.rankings) < 2:
        raise InputError(
            f"ranking must be at least 2 rankings for a study of agreement, got {trained.primary} alone; "
            "choose ranking=[lca,magnitude,probeless]."
        )
    rows = [replace(row, **trained.about()) for row in _Agreement(trained.rankings, trained.seed).rows(counts)]
    return Result(tuple(rows), tables=(_table(plain(rows), counts),))


@dataclass(frozen=True)
class _Agreement:
    """Rows about rankings, by name."""

    rankings: Mapping[str, Ranking]
    seed: int

    def rows(self, counts: Sequence[int]) -> Iterator[Row]:
        names = list(self.rankings)
        points_of = {name: points(ranking) for name, ranking in self.rankings.items()}
        for one, other in combinations(names, 2):
            pair = [points_of[name].numpy() for name in (one, other)]
            varies = all(np.ptp(own) > 0 for own in pair)  # one that earned nothing has no order
            value = float(spearmanr(*pair).statistic) if varies else None
            yield Row("agreement", "rank_correlation", value, one, flags={"against": other})
        for k in counts:
            yield from self._of_size(k, names, points_of)

    def _of_size(self, k: int, names: Sequence[str], points_of: dict[str, Float[Tensor, " neuron"]]) -> Iterator[Row]:
        n = len(next(iter(points_of.values())))
        about: dict[str, Any] = {"k": k, "share": k / n}
        by_chance = {"chance": chance(n, k)}
        tops = {name: top(self.rankings[name].order, k) for name in names}
        pairs = {frozenset(pair): jaccard(*(tops[name] for name in pair)) for pair in combinations(names, 2)}
        for one, other in combinations(names, 2):
            flags = {"against": other, **by_chance}
            yield Row("agreement", "overlap", pairs[frozenset((one, other))], one, flags=flags, **about)
        for name in names:
            others = [other for other in names if other != name]
            flags = {"n_others": len(others), **by_chance, **_drawn(self.rankings[name], k)}
            mean = sum(pairs[frozenset((name, other))] for other in others) / len(others)
            yield Row("agreement", "average_overlap", mean, name, flags=flags, **about)
            best = self._vote(torch.stack([points_of[other] for other in others]).sum(0))
            yield Row("agreement", "neuron_vote", jaccard(tops[name], top(best, k)), name, flags=flags, **about)

    def _vote(self, points: Float[Tensor, " neuron"]) -> Neurons:
        """Most points first; those of equal points in a drawn order, which is none of the rankings' own."""
        drawn = torch.randperm(len(points), generator=torch.Generator().manual_seed(self.seed + VOTE))
        return drawn[points[drawn].argsort(descending=True, stable=True)]


def jaccard(one: Neurons, other: Neurons) -> float:
    """|A ∩ B| / |A ∪ B|."""
    shared = int(torch.isin(one, other).sum())
    return shared / (len(one) + len(other) - shared)


def chance(n_neurons: int, k: int) -> float:
    """The expected Jaccard overlap of two random sets of k: Σ P(i shared) i / (2k − i), P hypergeometric."""
    shared = np.arange(k + 1)
    return float((hypergeom(n_neurons, k, k).pmf(shared) * shared / (2 * k - shared)).sum())


def _drawn(ranking: Ranking, k: int) -> dict[str, int]:
    return {"not_earned": k - ranking.earned} if ranking.earned < k else {}


def _table(rows: Sequence[PlainRow], counts: Sequence[int]) -> Table:
    body = []
    for name in dict.fromkeys(row["ranking"] for row in rows):
        for k in counts:
            mean = first(rows, metric="average_overlap", ranking=name, k=k)
            vote = first(rows, metric="neuron_vote", ranking=name, k=k)
            if mean is not None:
                body.append((str(name), f"{k:,}", percent(mean), percent(vote), f"{100 * mean['chance']:.1f}"))
    header = ("ranking", "neurons", "mean overlap", "overlap with the others' vote", "chance")
    return Table("How far the rankings agree: Jaccard overlap of their tops, %", header, tuple(body), notes(rows))
