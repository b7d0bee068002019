"""All rankings of a job side by side: any ranking × any judge × {top-to-bottom, bottom-to-top, random}.

Antverg and Belinkov (2022), pitfall I: whether a ranking is good and whether a probe is good must be told apart. And
which is best for small sets, which for large ones, which is most stable: see `best_ranking`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.neurons import bottom, random, size, top
from neuronprobe.probes import score
from neuronprobe.studies.best_ranking import Best, Contest, best_ranking
from neuronprobe.studies.comparison import trapezoid
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.judges import OF_LABELS, Judged, Sets, entropy, judged
from neuronprobe.studies.selectivity import Memory, memorised
from neuronprobe.studies.sets import not_earned, sizes
from neuronprobe.studies.stability import made_again, of_other_seeds
from neuronprobe.studies.stable_rankings import stable_rankings
from neuronprobe.studies.standings import standings
from neuronprobe.studies.trained import Trained
from neuronprobe.targets import Score
from neuronprobe.types import Ranking, Result, Row

STUDY = "compare_rankings"
RETRAINED = 0.2
"""The largest share of the neurons on which probes are trained."""
Key = tuple[str, str, int | None]
"""A ranking, an end of it (top, bottom; random of a random order) and the draw."""


def compare_rankings(
    trained: Trained, values: Sequence[int | float], judges: Sequence[str], draws: int = 10, resamples: int = 5,
    seeds: int = 1, once: Sequence[str] = (), small: int | float = 0.05, tolerance: float = 0.01, control_draws: int = 3,
) -> Result:  # fmt: skip
    """What the tops and bottoms of all rankings, and `draws` random orders, give by each judge; the verdict.

    `values` are counts or shares; those up to `small` are small sets, the others large ones, and each range counts by
    the area under its curve over log(neurons). Rankings are made again from `resamples` of the training sentences, but
    those named in `once`. The minimal set is the smallest top, retrained, within the `tolerance` of the oracle on dev;
    at `small` a control task is learned `control_draws` times. Judges of labels are left out for values.

    Raises InputError where there is only one ranking.
    """
    if len(trained.rankings) < 2:
        raise InputError(
            f"ranking must be at least 2 rankings to be compared, got {trained.primary} alone; "
            "choose ranking=[lca,magnitude,probeless]."
        )
    often = [name for name in trained.rankings if name not in once]
    again = made_again(trained, often, resamples) if resamples else {}
    entries = Entries(trained, sorted(sizes(values, len(trained.table))), draws, small, again)
    wanted = [judge for judge in judges if judge not in OF_LABELS or len(trained.target) > 1]
    found = [one for judge in wanted for one in judged(trained, judge, entries.sets.found, entries.wanted(judge))]
    rows = [row for one in found for row in _JudgedRows(trained, entries, one).rows()]
    rows += stable_rankings(trained, again, of_other_seeds(trained, often, seeds), entries.ranges)
    rows += [*_minimal(trained, entries, found, tolerance), *_memory(trained, entries, found, control_draws)]
    correct = {key: own for one in found for key, own in _correct(trained, entries, one)}
    return replace(standings(rows, trained.metric, list(trained.rankings)), correct=correct)


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


@dataclass(frozen=True)
class _JudgedRows:
    """What one judge says, as rows."""

    trained: Trained
    entries: Entries
    judged: Judged

    def rows(self) -> Iterator[Row]:
        """Each set on dev and on test, areas, information, and which ranking is best in each range."""
        yield from self._curves("dev")
        yield from self._curves("test")
        yield from self._information()
        for what, sizes in self.entries.ranges.items():
            if ks := [k for k in sizes if k in self._ks]:
                yield from self._areas(what, ks)
                yield from self._best(what, ks)

    def _curves(self, split: str) -> Iterator[Row]:
        """Random orders by their mean; on test with intervals (of random orders the least and the most)."""
        values = self.judged.scored[split].values(self._metric)
        keys = [key for key in self.entries.at if key[1] != "random"]
        chosen = list(self._sets(keys))
        ends = self._ends([at for _, _, at in chosen]) if split == "test" else None
        for i, (key, k, at) in enumerate(chosen):
            low, high = ends[i] if ends else (None, None)
            yield self._row(self._metric, float(values[at]), key, split, k, low=low, high=high)
        drawn = self.entries.draws()
        for k in self._ks if drawn else []:
            own = values[self.judged.at([self.entries.of(key, [k])[0] for key in drawn])]
            flags = {"n_draws": len(own), "deviation": float(own.std()) if len(own) > 1 else None,
                     "least": float(own.min()), "most": float(own.max())}  # fmt: skip
            yield self._row(f"mean_{self._metric}", float(own.mean()), drawn[0], split, k, **flags)

    def _information(self) -> Iterator[Row]:
        """Bits that tops and bottoms tell of the label, and what share of its entropy they are; on test."""
        told = self.judged.information
        if told is None:
            return
        bits = max(entropy(self.trained.splits["test"]), 1e-12)
        keys = [key for key in self.entries.at if key[1] != "random"]
        chosen = list(self._sets(keys))
        ends = Bootstrap(told.denominator, self.trained.seed).ends(told.numerator[[at for _, _, at in chosen]]).tolist()
        for (key, k, at), (low, high) in zip(chosen, ends, strict=True):
            value = float(told.value[at])
            yield self._row("information", value, key, "test", k, low=low, high=high)
            share = {"low": low / bits, "high": high / bits, "entropy": bits}
            yield self._row("normalised_information", value / bits, key, "test", k, **share)

    def _areas(self, what: str, ks: Sequence[int]) -> Iterator[Row]:
        """Mean heights over log(neurons) of both ends, by trapezoids."""
        for key in [key for key in self.entries.at if key[1] != "random" and self.judged.has(self.entries.of(key, ks))]:
            for split in ("dev", "test"):
                values = self.judged.scored[split].values(self._metric)
                value = float(_weights(ks) @ values[self.judged.at(self.entries.of(key, ks))])
                yield self._row(f"{self._metric}_area", value, key, split, **self._range(what, ks))

    def contest(self, what: str, ks: list[int]) -> Contest:
        """The tops of all rankings in one range."""
        weights, names = _weights(ks), list(self.trained.rankings)
        tops = [self.judged.at(self.entries.of((name, "top", None), ks)) for name in names]
        values = {split: own.values(self._metric) for split, own in self.judged.scored.items()}
        parts = self._score
        numerators = torch.stack([weights @ parts.numerator[own].double() for own in tops])
        drawn = [float(weights @ values["test"][self.judged.at(self.entries.of(key, ks))])
                 for key in self.entries.draws()]  # fmt: skip
        dev = torch.stack([weights @ values["dev"][own] for own in tops])
        return Contest(
            names, dev, numerators, parts.denominator, torch.tensor(drawn, dtype=torch.float64),
            self._made_again(what, values["test"]),
        )  # fmt: skip

    def _made_again(self, what: str, values: Float[Tensor, " set"]) -> Float[Tensor, "ranking made"]:
        """Of one set of the range what the rankings reach, and what they do when made again, where it is judged."""
        again, place = self.entries.again[what], self.entries.counts.index(self.entries.middle[what])
        n_again, rows = max(map(len, again.values()), default=0), []
        for name in self.trained.rankings:
            sets = [self.entries.at[name, "top", None][place], *again.get(name, [])]
            found = values[self.judged.at(sets)] if self.judged.has(sets) else values.new_full((1,), torch.nan)
            unknown = values.new_full((1 + n_again - len(found),), torch.nan)
            rows.append(torch.cat([found, unknown]))
        return torch.stack(rows)

    def _best(self, what: str, ks: Sequence[int]) -> Iterator[Row]:
        """The best on dev, and its difference from every other ranking on test."""
        best = best_ranking(self.contest(what, ks), self.trained.seed)
        key: Key = (best.name, "top", None)
        flags = {**self._range(what, ks), **_about(best)}
        yield self._row("best", best.value, key, "test", low=best.low, high=best.high, **flags)
        for rival in best.rivals:
            own = {"against": rival.name, "p": rival.p, "p_corrected": rival.corrected,
                   "p_again": rival.p_again, "same": rival.is_same}  # fmt: skip
            yield self._row(f"{self._metric}_difference", rival.difference, key, "test", low=rival.low,
                            high=rival.high, **self._range(what, ks), **own)  # fmt: skip

    @property
    def _metric(self) -> str:
        return self.trained.metric

    @cached_property
    def _score(self) -> Score:
        return self.judged.scored["test"].score(self._metric)

    @cached_property
    def _ks(self) -> list[int]:
        """The sizes that the judge judges, of tops and of random orders."""
        keys = [key for key in self.entries.at if key[1] != "bottom"]
        return [k for k in self.entries.counts if all(self.judged.has(self.entries.of(key, [k])) for key in keys)]

    def _sets(self, keys: Sequence[Key]) -> Iterator[tuple[Key, int, int]]:
        """The sets that it judges, with their sizes and their positions among its own."""
        for key in keys:
            for k, at in zip(self.entries.counts, self.entries.at[key], strict=True):
                if at in self.judged.positions:
                    yield key, k, self.judged.positions[at]

    def _ends(self, positions: Sequence[int]) -> list[tuple[float, float]]:
        bootstrap = Bootstrap(self._score.denominator, self.trained.seed)
        return [(low, high) for low, high in bootstrap.ends(self._score.numerator[list(positions)]).tolist()]

    def _range(self, what: str, ks: Sequence[int]) -> dict[str, Any]:
        n = len(self.trained.table)
        return {"range": what, "from_share": ks[0] / n, "to_share": ks[-1] / n, "n_sizes": len(ks), "over": "log k"}

    def _row(
        self, metric: str, value: float, key: Key, split: str, k: int | None = None, low: float | None = None,
        high: float | None = None, **flags: Any,
    ) -> Row:  # fmt: skip
        name, end, _ = key
        where: dict[str, Any] = {"k": k, "share": k / len(self.trained.table)} if k else {}
        about = {"judge": self.judged.judge, **({"fill": self.judged.fill} if self.judged.fill else {}), **flags}
        if k and name in self.trained.rankings:
            about |= not_earned(self.trained.rankings[name], end, k)
        mode = "ablated" if self.judged.fill else "retrained"
        ranking = name if name in self.trained.rankings else None
        return Row(STUDY, metric, value, ranking=ranking, set=end, low=low, high=high, flags=about,
                   **where, **self.trained.about(mode=mode, split=split))  # fmt: skip


def _weights(ks: Sequence[int]) -> Float[Tensor, " size"]:
    return torch.tensor(trapezoid([math.log(k) for k in ks]), dtype=torch.float64)


def _about(best: Best) -> dict[str, Any]:
    return {"p_random": best.p_random, "beats_random": best.beats_random, "is_best": best.is_named,
            "equals": list(best.equals)}  # fmt: skip


def _linear(found: Sequence[Judged]) -> Judged | None:
    return next((one for one in found if one.judge == "linear"), None)


def _minimal(trained: Trained, entries: Entries, found: Sequence[Judged], tolerance: float) -> Iterator[Row]:
    """The smallest top within the tolerance of the oracle on dev, of the sizes that were judged and up to four in steps
    of 1 % between the last that fails and the first that suffices; None where none does.
    """
    linear = _linear(found)
    if linear is None:
        return
    metric, dev, n = trained.target.metrics[0], trained.splits["dev"], len(trained.table)
    least = float(score([trained.probe], dev).values(metric)[0]) - tolerance
    values = linear.scored["dev"].values(metric)
    reached = {
        name: {k: float(values[linear.positions[at]]) for k, at in zip(entries.counts, entries.at[name, "top", None],
                                                                      strict=True) if at in linear.positions}
        for name in trained.rankings
    }
    tried = [(name, k) for name, own in reached.items() for k in _between(own, least, n)]
    if tried:
        probes = trained.retrain([top(trained.rankings[name].order, k).sort().values for name, k in tried])
        for (name, k), value in zip(tried, score(probes, dev).values(metric).tolist(), strict=True):
            reached[name][k] = value
    for name, own in reached.items():
        k = next((k for k in sorted(own) if own[k] > least), None)
        failed = max((other for other in own if k is None or other < k), default=None)
        where: dict[str, Any] = {} if k is None else {"k": k, "share": k / n}
        flags = {"judge": "linear", "tolerance": tolerance, "within_tolerance": k is not None, "largest_failed": failed}
        yield Row(STUDY, "minimal_set", None if k is None else float(k), ranking=name, set="top", flags=flags,
                  **where, **trained.about(mode="retrained", split="dev"))  # fmt: skip


def _between(reached: Mapping[int, float], least: float, n: int) -> list[int]:
    """Up to four sizes, in whole percents, between the last that fails and the first that suffices."""
    ks = sorted(reached)
    first = next((k for k in ks if reached[k] > least), None)
    if first is None:
        return []
    last = max((k for k in ks if k < first), default=0)
    steps = [k for k in dict.fromkeys(max(1, round(i / 100 * n)) for i in range(1, 100)) if last < k < first]
    return [steps[round((i + 1) * (len(steps) + 1) / 5) - 1] for i in range(4)] if len(steps) > 4 else steps


def _memory(trained: Trained, entries: Entries, found: Sequence[Judged], draws: int) -> Iterator[Row]:
    """Selectivity of each ranking's largest small top, retrained: accuracy − that of a task that only memory solves."""
    linear, ks = _linear(found), entries.ranges.get("small", entries.counts)
    if linear is None or not draws:
        return
    k = ks[-1]
    positions = [entries.of((name, "top", None), [k])[0] for name in trained.rankings]
    each = list(dict.fromkeys(positions))
    by_split = memorised([entries.sets.found[one] for one in each], trained, draws)
    for split, learned in by_split.items():
        own = linear.scored[split].score(trained.target.metrics[0])
        compared = Memory(STUDY, replace(own, numerator=own.numerator[linear.at(each)]), learned, trained.seed,
                          trained.about(split=split, task="control"))  # fmt: skip
        where: dict[str, Any] = {"set": "top", "k": k, "share": k / len(trained.table), "mode": "retrained"}
        for name, position in zip(trained.rankings, positions, strict=True):
            rows = compared.rows(each.index(position), {**where, "ranking": name}, {"judge": "linear"})
            yield from (row for row in rows if row.draw is None)


def _correct(trained: Trained, entries: Entries, one: Judged) -> Iterator[tuple[str, Tensor]]:
    """Correct units of each test sentence with each top, by name."""
    numerator = one.scored["test"].score(trained.target.metrics[0]).numerator
    for name in trained.rankings:
        for k, at in zip(entries.counts, entries.at[name, "top", None], strict=True):
            if at in one.positions:
                yield f"{STUDY}/{one.name}/{name}/top-{k}", numerator[one.positions[at]]
