"""The sets of neurons that a comparison of rankings has judged: tops, bottoms, random orders, rankings made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from neuronprobe.neurons import bottom, random, size, top
from neuronprobe.studies.judges import Sets
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Ranking

RETRAINED = 0.2
"""The largest share of the neurons on which probes are trained."""
Key = tuple[str, str, int | None]
"""A ranking, an end of it (top, bottom; random of a random order) and the draw."""


class Entries:
    """The sets that are judged: of each ranking both ends of all sizes, of random orders the front; and in the middle
    of each range the tops of the rankings that were made again.
    """

    def __init__(
        self, trained: Trained, counts: Sequence[int], draws: int, small: int | float,
        again: Mapping[str, Sequence[Ranking]],
    ) -> None:  # fmt: skip
        """`counts` ascend; those of at most `small` are the range small."""
        n = len(trained.table)
        self.counts, self.sets, self.at = list(counts), Sets(), dict[Key, list[int]]()
        self._retrained = size("sizes", RETRAINED, n)
        self.small = size("callbacks.compare_rankings.small", small, n)
        for name, ranking in trained.rankings.items():
            for end, taken in (("top", top), ("bottom", bottom)):
                self.at[name, end, None] = [self.sets.add(taken(ranking.order, k)) for k in counts]
        for draw in range(draws):
            order = random(n, n, trained.seed * 1009 + draw + 1)
            self.at["random order", "random", draw] = [self.sets.add(top(order, k)) for k in counts]
        self.again = {
            what: {name: [self.sets.add(top(one.order, k)) for one in own] for name, own in again.items()}
            for what, k in self.middle.items()
        }

    @cached_property
    def ranges(self) -> dict[str, list[int]]:
        """The sizes of small and of large sets, where there are such."""
        parts = {
            "small": [k for k in self.counts if k <= self.small],
            "large": [k for k in self.counts if k > self.small],
        }
        return {what: ks for what, ks in parts.items() if ks}

    @cached_property
    def middle(self) -> dict[str, int]:
        """The size, of each range, at which rankings that were made again are judged."""
        retrained = {what: [k for k in ks if k <= self._retrained] or ks[:1] for what, ks in self.ranges.items()}
        return {what: ks[(len(ks) - 1) // 2] for what, ks in retrained.items()}

    def wanted(self, judge: str) -> list[int]:
        """The sets that a judge is asked about: all, but where probes are trained no bottoms of large sets, and nothing
        beyond a fifth of the neurons, where retraining tells little.
        """
        if judge != "linear":
            return list(range(len(self.sets.found)))
        chosen = [at for by_name in self.again.values() for own in by_name.values() for at in own]
        for key, positions in self.at.items():
            most = self.small if key[1] == "bottom" else self._retrained
            chosen += [at for k, at in zip(self.counts, positions, strict=True) if k <= most]
        return sorted(set(chosen))

    def draws(self) -> list[Key]:
        """The random orders."""
        return [key for key in self.at if key[1] == "random"]

    def of(self, key: Key, ks: Sequence[int]) -> list[int]:
        """The positions of the sets of these sizes."""
        return [self.at[key][self.counts.index(k)] for k in ks]
