"""How stable all rankings of a job are: what the tops of two resamples of the training sentences, or of two seeds,
share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.studies.best_ranking import FEWEST_AGAIN, most_stable
from neuronprobe.studies.overlap import overlap, top_sets
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Ranking, Row

Again = Mapping[str, Sequence[Ranking]]
"""Rankings that were made again, by name."""


def stable_rankings(trained: Trained, resampled: Again, seeded: Again, ranges: Mapping[str, list[int]]) -> list[Row]:
    """Of each range of sizes and ranking the overlap, the mean over sizes and pairs; and the most stable ranking.

    Neurons that a ranking did not earn are shared by nothing. Intervals are over resamples.
    """
    rows = []
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
        flags = {"over": "resamples", "pairs": n * (n - 1) // 2, "place": place + 1, "equals": list(one.equals), **about}
        yield _row(trained, one.name, one.value, (one.low, one.high), flags)


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
