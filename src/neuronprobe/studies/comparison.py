"""How sets of neurons compare: the rows of ablation, retraining and the minimal set, read from the scores of probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe import neurons
from neuronprobe.probes import METRICS, Counts, Probe
from neuronprobe.studies.intervals import Bootstrap, Spread, over_draws
from neuronprobe.studies.sets import RANDOM_SETS, NeuronSet, not_earned
from neuronprobe.types import Ranking, Result, Row

RIVALS = (*RANDOM_SETS, "magnitude")
"""What the top is measured against, paired."""
BLOCK = 4096
"""Sentences whose numerators are held as floats at a time."""
MOST_DRAW_ROWS = 20
"""Of more draws the rows give mean, deviation and extremes alone; predictions.npz has them one by one."""


def compare(
    study: str, mode: str, sets: Sequence[NeuronSet], probes: Sequence[Probe], scored: Mapping[str, Counts],
    ranking: Ranking, seed: int, solver: str, metric: str = "accuracy", oracle: int | None = None,
    majority: int | None = None, curve: bool = False, **flags: Any,
) -> Result:  # fmt: skip
    """Rows for each set and each mean over draws; on test also intervals, and top − mean(rival), paired.

    `scored` has for each split what `probes` got right: those of the sets, and behind them what else to compare with.
    `oracle` and `majority` are the places of such: what each set loses against the oracle, and what the top gains over
    the most frequent label. With `curve` also areas under accuracy over shares. Intervals and differences are those
    of accuracy, and of `metric`. `flags` are put on all rows.
    """
    rows: list[Row] = []
    correct: dict[str, Tensor] = {}
    for split, counts in scored.items():
        about = {"ranking": ranking.name, "solver": solver, "task": "property", "mode": mode, "split": split}
        compared = Comparison(study, sets, probes, ranking, counts, about, flags)
        is_test = split == "test"
        own = compared.rows()
        for name in dict.fromkeys(("accuracy", metric)):
            combinations = [*compared.differences(name, majority)] if is_test else []
            combinations += compared.lost(name, oracle) if oracle is not None else []
            combinations += compared.areas(name) if curve else []
            own = compared.with_intervals(own, name, seed) if is_test else own
            own += with_ends(combinations, counts, name, seed) if is_test else [one.row for one in combinations]
        rows += own
        correct |= compared.correct if is_test else {}
    return Result(tuple(rows), correct)


@dataclass(frozen=True)
class Combination:
    """A row whose value is Σ weight · value over the probes, with the spreads of the draws in it."""

    row: Row
    weights: Float[Tensor, " probe"]
    spreads: Sequence[Spread]


def with_ends(found: Sequence[Combination], counts: Counts, metric: str, seed: int) -> list[Row]:
    """The rows of combinations with their intervals: paired over sentences, and over draws."""
    if not found:
        return []
    score = counts.score(metric)
    weights = torch.stack([one.weights for one in found])
    together = torch.cat([weights @ part.double() for part in score.numerator.split(BLOCK, dim=1)], dim=1)
    rows = []
    for one, ends in zip(found, Bootstrap(score.denominator, seed).ends(together).tolist(), strict=True):
        low, high = over_draws(tuple(ends), one.row.value or 0.0, one.spreads) or (None, None)
        rows.append(replace(one.row, low=low, high=high))
    return rows


@dataclass(frozen=True)
class Comparison:
    """What the counts of one split say of the sets; places are those of `counts`."""

    study: str
    sets: Sequence[NeuronSet]
    probes: Sequence[Probe]
    ranking: Ranking
    counts: Counts
    about: Mapping[str, Any]
    flags: Mapping[str, Any]

    @cached_property
    def by_size(self) -> dict[int, dict[str, list[int]]]:
        """The places of the sets of each size, by name."""
        found: dict[int, dict[str, list[int]]] = {}
        for i, chosen in enumerate(self.sets):
            found.setdefault(chosen.k, {}).setdefault(chosen.name, []).append(i)
        return found

    @cached_property
    def values(self) -> dict[str, Float[Tensor, " probe"]]:
        """Of each metric."""
        return {metric: self.counts.values(metric) for metric in METRICS}

    @property
    def correct(self) -> dict[str, Tensor]:
        """Correct units of each test sentence for each set, `[draw, sentence]` for drawn ones."""
        name = "/".join(filter(None, (self.study, self.flags.get("fill"))))
        found = {}
        for k, sets in self.by_size.items():
            for which, places in sets.items():
                counts = self.counts.correct[places]
                found[f"{name}/{which}-{k}"] = counts if which in RANDOM_SETS else counts[0]
        return found

    def rows(self) -> list[Row]:
        """Every set, and the means over draws."""
        rows = []
        for sets in self.by_size.values():
            for name, places in sets.items():
                for metric in METRICS:
                    shown = [] if len(places) > MOST_DRAW_ROWS else places
                    rows += [self._row(metric, metric, [i], draw=self.sets[i].draw) for i in shown]
                    rows += [self._mean(metric, places)] if name in RANDOM_SETS else []
        return rows

    def with_intervals(self, rows: Sequence[Row], metric: str, seed: int) -> list[Row]:
        """The rows of single sets with the intervals of one metric."""
        wanted = [i for i, row in enumerate(rows) if row.metric == metric]
        place = {(s.name, s.k, s.draw): i for i, s in enumerate(self.sets)}
        score = self.counts.score(metric)
        chosen = [place[rows[i].set, rows[i].k, rows[i].draw] for i in wanted]  # type: ignore[index]
        ends = Bootstrap(score.denominator, seed).ends(score.numerator[chosen])
        found = dict(zip(wanted, ends.tolist(), strict=True))
        return [replace(row, low=found[i][0], high=found[i][1]) if i in found else row for i, row in enumerate(rows)]

    def differences(self, metric: str, majority: int | None) -> Iterator[Combination]:
        """Top − mean(rival) of each size, with the odds p of a random set as good; top − most frequent label."""
        values = self.values[metric]
        for sets in self.by_size.values():
            if "top" not in sets:
                continue
            (top,) = sets["top"]
            for name in [name for name in RIVALS if name in sets]:
                flags: dict[str, Any] = {"against": name}
                if name in RANDOM_SETS:
                    reached = int((values[sets[name]] >= values[top]).sum())
                    flags |= {"n_draws": len(sets[name]), "p": (1 + reached) / (1 + len(sets[name]))}
                yield self._combine(f"{metric}_difference", metric, [top], [(1.0, [top]), (-1.0, sets[name])], **flags)
            if majority is not None:
                terms = [(1.0, [top]), (-1.0, [majority])]
                yield self._combine(f"{metric}_difference", metric, [top], terms, against="majority")

    def lost(self, metric: str, oracle: int) -> Iterator[Combination]:
        """The oracle's value − that of each set (the mean over its draws)."""
        for sets in self.by_size.values():
            for name, places in sets.items():
                more = {"n_draws": len(places)} if name in RANDOM_SETS else {}
                yield self._combine(f"{metric}_lost", metric, places, [(1.0, [oracle]), (-1.0, places)], **more)

    def areas(self, metric: str) -> Iterator[Combination]:
        """The area under accuracy over shares of each set (the mean over its draws), and that of top − rival.

        Trapezoids between the measured shares, divided by their range: the mean accuracy over that range of shares, in
        [0, 1]. One share has no area. Rows are of the study <study>_curve: they have no k.
        """
        if len(self.by_size) < 2:
            return
        ks = sorted(self.by_size)
        heights = dict(zip(ks, _trapezoid([k / len(self.ranking.order) for k in ks]), strict=True))
        terms = {
            name: [(heights[k], self.by_size[k][name]) for k in ks] for name in self.by_size[ks[0]]
        }  # every size has the same sets
        what = "area" if metric == "accuracy" else f"{metric}_area"
        for name, own in terms.items():
            yield self._area(what, metric, name, own)
        for name in [name for name in RIVALS if name in terms and "top" in terms]:
            against = [*terms["top"], *((-weight, places) for weight, places in terms[name])]
            yield self._area(f"{what}_difference", metric, "top", against, against=name)

    def _area(
        self, what: str, metric: str, name: str, terms: Sequence[tuple[float, list[int]]], **flags: Any
    ) -> Combination:
        shares = sorted(k / len(self.ranking.order) for k in self.by_size)
        ends = {"from_share": shares[0], "to_share": shares[-1], "n_sizes": len(shares)}
        found = self._combine(what, metric, terms[0][1], terms, **ends, **flags)
        flags = {
            flag: value for flag, value in found.row.flags.items() if flag not in ("overlap_with_top", "not_earned")
        }
        row = replace(found.row, study=f"{self.study}_curve", set=name, k=None, share=None, flags=flags)
        return replace(found, row=row)

    def _combine(
        self, what: str, metric: str, places: list[int], terms: Sequence[tuple[float, list[int]]], **flags: Any
    ) -> Combination:
        """Σ coefficient · mean(value over places), about the sets at `places`."""
        values = self.values[metric]
        weights, spreads = torch.zeros(len(values), dtype=torch.float64), []
        for coefficient, own in terms:
            weights[own] += coefficient / len(own)
            if own[0] < len(self.sets) and self.sets[own[0]].draw is not None:
                spreads.append((coefficient, values[own]))
        row = replace(self._row(what, metric, places, **flags), value=float(weights @ values))
        return Combination(row, weights, spreads)

    def _mean(self, metric: str, places: list[int]) -> Row:
        values = self.values[metric][places]
        deviation = float(values.std()) if len(places) > 1 else None
        least, most = float(values.min()), float(values.max())
        return self._row(
            f"mean_{metric}", metric, places, n_draws=len(places), deviation=deviation, least=least, most=most
        )

    def _row(self, what: str, metric: str, places: list[int], draw: int | None = None, **flags: Any) -> Row:
        """The mean over `places`, which are sets of the same name and size."""
        chosen, probe, ranking = self.sets[places[0]], self.probes[places[0]], self.ranking
        is_top = torch.zeros(len(ranking.order), dtype=torch.bool)
        is_top[neurons.top(ranking.order, chosen.k)] = True
        overlap = torch.stack([is_top[self.sets[i].neurons].double().mean() for i in places])
        flags = {
            **self.flags,
            "overlap_with_top": float(overlap.mean()),
            **not_earned(ranking, chosen.name, chosen.k),
            **flags,
        }
        if chosen.k < ranking.first_block and chosen.name == "top":
            flags["inside_first_block"] = True
        return Row(
            self.study, what, float(self.values[metric][places].mean()), set=chosen.name, k=chosen.k,
            share=chosen.k / len(ranking.order), draw=draw, seed=probe.seed,
            l1=probe.l1, l2=probe.l2, flags=flags, **self.about,
        )  # fmt: skip


def _trapezoid(shares: Sequence[float]) -> list[float]:
    """What the height at each share counts in the area under a curve, over the range of the shares."""
    widths = [after - before for before, after in pairwise(shares)]
    sides = zip([0.0, *widths], [*widths, 0.0], strict=True)
    return [(left + right) / 2 / (shares[-1] - shares[0]) for left, right in sides]
