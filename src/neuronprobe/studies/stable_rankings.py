"""How stable all rankings of a job are: what the tops of two resamples of the training sentences, or of two seeds,
share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.stats import t as student
from torch import Tensor

from neuronprobe.studies.best_ranking import FEWEST_AGAIN, LEVEL, holm
from neuronprobe.studies.intervals import LEVEL as CONFIDENCE
from neuronprobe.studies.overlap import overlap, top_sets
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Ranking, Row

Again = Mapping[str, Sequence[Ranking]]
"""Rankings that were made again, by name."""


def stable_rankings(trained: Trained, resampled: Again, seeded: Again, ranges: Mapping[str, list[int]]) -> list[Row]:
    """Of each range of sizes and ranking the overlap, the mean over sizes and pairs; and the most stable ranking.

    Neurons that a ranking did not earn are shared by nothing. Intervals are over resamples.
    """
    rows: list[Row] = []
    for what, ks in ranges.items():
        flags = {"range": what, "chance": sum(ks) / len(ks) / len(trained.table)}
        if resampled and len(next(iter(resampled.values()))) >= FEWEST_AGAIN:
            rows += _over_resamples(trained, resampled, ks, flags)
        for name, found in seeded.items():
            if found:
                own = _overlaps(trained, [trained.rankings[name], *found], ks)
                first, second = torch.triu_indices(len(own), len(own), offset=1)
                rows.append(_row(trained, name, float(own[first, second].mean()), None, {"over": "seeds", **flags}))
    return rows


def _over_resamples(
    trained: Trained, resampled: Again, ks: Sequence[int], about: Mapping[str, object]
) -> Iterator[Row]:  # fmt: skip
    overlaps = torch.stack([_overlaps(trained, found, ks) for found in resampled.values()])
    n = overlaps.shape[1]
    for place, one in enumerate(most_stable(list(resampled), overlaps)):
        flags = {"over": "resamples", "pairs": n * (n - 1) // 2, "place": place + 1, "equals": list(one.equals)}
        yield _row(trained, one.name, one.value, (one.low, one.high), {**flags, **about})


def _overlaps(trained: Trained, found: Sequence[Ranking], ks: Sequence[int]) -> Float[Tensor, "ranking ranking"]:
    """Of all pairs, the mean over sizes."""
    first, second = torch.triu_indices(len(found), len(found), offset=1)
    both = torch.zeros(len(found), len(found), dtype=torch.float64)
    pairs = torch.stack([overlap(top_sets(found, k), trained.table).pairs for k in ks]).mean(0)
    both[first, second] = both[second, first] = pairs.double()
    return both


def _row(
    trained: Trained, name: str, value: float, ends: tuple[float, float] | None, flags: Mapping[str, object]
) -> Row:  # fmt: skip
    low, high = ends or (None, None)
    return Row("compare_rankings", "overlap", value, ranking=name, set="top", low=low, high=high, flags=flags,
               **trained.about())  # fmt: skip


@dataclass(frozen=True)
class Stable:
    """The ranking of which two resamples share most, how much, and which share as much."""

    name: str
    value: float
    low: float
    high: float
    equals: tuple[str, ...]


def most_stable(names: Sequence[str], overlaps: Float[Tensor, "ranking resample resample"]) -> list[Stable]:
    """Mean overlap over pairs of resamples of each ranking, the largest first, with those that it can't be told from.

    Resamples are taken out one by one (the jackknife of a mean over pairs); the same ones serve all rankings, so
    differences are paired. The most stable one is chosen on them too, so all pairs of rankings count together (Holm).
    """
    parts = _pseudo_values(overlaps.double())
    first, second = torch.triu_indices(len(names), len(names), offset=1)
    p = holm(_odds(parts[first] - parts[second]))
    apart = torch.ones(len(names), len(names), dtype=p.dtype)
    apart[first, second] = apart[second, first] = p
    value, around = parts.mean(1), _half(parts)
    found = []
    for i in value.argsort(descending=True, stable=True).tolist():
        equals = [names[j] for j in value.argsort(descending=True).tolist() if j != i and float(apart[i, j]) > LEVEL]
        low, high = (value[i] + sign * around[i] for sign in (-1, 1))
        found.append(Stable(names[i], float(value[i]), float(low.clamp(0, 1)), float(high.clamp(0, 1)), tuple(equals)))
    return found


def _pseudo_values(overlaps: Float[Tensor, "ranking resample resample"]) -> Float[Tensor, "ranking resample"]:
    """R·mean − (R − 1)·mean without one of the R resamples; their mean is the mean over all pairs."""
    n = overlaps.shape[1]
    off = overlaps * (1 - torch.eye(n, dtype=overlaps.dtype))
    total, own = off.sum((1, 2)), off.sum(2)
    mean, without = total / (n * (n - 1)), (total[:, None] - 2 * own) / ((n - 1) * (n - 2))
    return n * mean[:, None] - (n - 1) * without


def _half(parts: Float[Tensor, "row resample"]) -> Float[Tensor, " row"]:
    """Half the interval of each mean."""
    n = parts.shape[1]
    return float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * parts.std(1) / math.sqrt(n)


def _odds(parts: Float[Tensor, "row resample"]) -> Float[Tensor, " row"]:
    """Two-sided odds of each mean where the truth is 0; 1 where it is 0 without any spread."""
    n, mean = parts.shape[1], parts.mean(1).abs()
    error = parts.std(1) / math.sqrt(n)
    found = torch.from_numpy(student.sf((mean / error.clamp_min(1e-12)).numpy(), n - 1) * 2)
    return torch.where(mean < 1e-12, 1.0, found)
