"""How sets of neurons compare: the rows of ablation, retraining and the minimal set, from the scores of probes."""

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
from neuronprobe.probes import Probe
from neuronprobe.shown import Figure, Table
from neuronprobe.studies.curves import set_figure, set_table
from neuronprobe.studies.intervals import Bootstrap, Spread, over_draws
from neuronprobe.studies.sets import RANDOM_SETS, NeuronSet, not_earned
from neuronprobe.studies.trained import Trained
from neuronprobe.targets import Scored, Target
from neuronprobe.types import Ranking, Result, Row

BLOCK = 4096
"""Sentences whose numerators are held as floats at a time."""
ABOUT_A_SET = ("overlap_with_top", "not_earned", "inside_first_block")
MOST_DRAW_ROWS = 20
"""Of more draws the rows give mean, deviation and extremes alone; predictions.npz has them one by one."""


def compare(
    study: str, mode: str, trained: Trained, sets: Sequence[NeuronSet], probes: Sequence[Probe],
    scored: Mapping[str, Scored], oracle: int | None = None, constant: int | None = None, curve: bool = False,
    title: str = "", levels: Mapping[str, int] | None = None, **flags: Any,
) -> Result:  # fmt: skip
    """Rows for each set and each mean over draws; on test also intervals, and top − mean(rival), paired.

    `scored` has for each split what `probes` reach: those of the sets, and behind them what else to compare with.
    `oracle` and `constant` are the positions of such: what each set loses against the oracle, and what the top gains
    over the constant baseline. With `curve` also areas under the metric over shares. Intervals and differences are
    those of the target's first metric (accuracy), and of the job's. With a `title` there are tables, and a curve with
    the `levels` at these positions, by name. `flags` are put on all rows.
    """
    rows: list[Row] = []
    correct: dict[str, Tensor] = {}
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    for split, found in scored.items():
        is_test = split == "test"
        about = trained.about(mode=mode, split=split)
        compared = Comparison(study, sets, probes, trained.rankings, trained.target, found, about, flags)
        own = compared.rows()
        for name in dict.fromkeys((trained.target.metrics[0], trained.metric)):
            combinations = [*compared.differences(name, constant)] if is_test else []
            combinations += compared.lost(name, oracle) if oracle is not None else []
            combinations += compared.areas(name) if curve else []
            own = compared.with_intervals(own, name, trained.seed) if is_test else own
            own += with_ends(combinations, found, name, trained.seed) if is_test else [one.row for one in combinations]
        rows += own
        if is_test:
            correct |= compared.correct
        if is_test and title:
            metrics = dict.fromkeys((trained.metric, *trained.target.metrics))
            tables = tuple(set_table(own, metric, title) for metric in metrics)
            values = found.values(trained.metric)
            lines = {name: float(values[position]) for name, position in (levels or {}).items()}
            stem = "_".join(filter(None, (study, flags.get("fill"))))
            figures = (set_figure(own, trained.metric, title, stem, lines),)
    return Result(tuple(rows), correct, tables, figures)


@dataclass(frozen=True)
class Combination:
    """A row whose value is Σ weight · value over the probes, with the spreads of the draws in it."""

    row: Row
    weights: Float[Tensor, " probe"]
    spreads: Sequence[Spread]


def with_ends(found: Sequence[Combination], scored: Scored, metric: str, seed: int) -> list[Row]:
    """The rows of combinations with their intervals: paired over sentences, and over draws."""
    if not found:
        return []
    score = scored.score(metric)
    weights = torch.stack([one.weights for one in found])
    together = torch.cat([weights @ part.double() for part in score.numerator.split(BLOCK, dim=1)], dim=1)
    rows = []
    for one, ends in zip(found, Bootstrap(score.denominator, seed).ends(together).tolist(), strict=True):
        low, high = over_draws(tuple(ends), one.row.value or 0.0, one.spreads) or (None, None)
        rows.append(replace(one.row, low=low, high=high))
    return rows


@dataclass(frozen=True)
class Comparison:
    """What the scores on one split say of the sets; positions are those of `scored`."""

    study: str
    sets: Sequence[NeuronSet]
    probes: Sequence[Probe]
    rankings: Mapping[str, Ranking]
    target: Target
    scored: Scored
    about: Mapping[str, Any]
    flags: Mapping[str, Any]

    @cached_property
    def found(self) -> dict[str, dict[int, dict[str, list[int]]]]:
        """The positions of the sets of each ranking, of each size, by name."""
        found: dict[str, dict[int, dict[str, list[int]]]] = {}
        for i, chosen in enumerate(self.sets):
            found.setdefault(chosen.ranking, {}).setdefault(chosen.k, {}).setdefault(chosen.name, []).append(i)
        return found

    @property
    def primary(self) -> str:
        """The ranking whose random sets there are."""
        return self.sets[0].ranking

    @cached_property
    def values(self) -> dict[str, Float[Tensor, " probe"]]:
        """Of each metric."""
        return {metric: self.scored.values(metric) for metric in self.target.metrics}

    @property
    def correct(self) -> dict[str, Tensor]:
        """Correct units of each test sentence for each set, `[draw, sentence]` for drawn ones."""
        found, numerator = {}, self.scored.score(self.target.metrics[0]).numerator
        for ranking, k, which, positions in self._groups():
            name = "/".join(filter(None, (self.study, self.flags.get("fill"), ranking, f"{which}-{k}")))
            own = numerator[positions]
            found[name] = own if which in RANDOM_SETS else own[0]
        return found

    def rows(self) -> list[Row]:
        """Every set, and the means over draws."""
        rows = []
        for _, _, name, positions in self._groups():
            for metric in self.target.metrics:
                shown = [] if len(positions) > MOST_DRAW_ROWS else positions
                rows += [self._row(metric, metric, [i], draw=self.sets[i].draw) for i in shown]
                rows += [self._mean(metric, positions)] if name in RANDOM_SETS else []
        return rows

    def with_intervals(self, rows: Sequence[Row], metric: str, seed: int) -> list[Row]:
        """The rows of single sets with the intervals of one metric."""
        wanted = [i for i, row in enumerate(rows) if row.metric == metric]
        position = {(s.ranking, s.name, s.k, s.draw): i for i, s in enumerate(self.sets)}
        score = self.scored.score(metric)
        chosen = [position[row.ranking, row.set, row.k, row.draw] for row in map(rows.__getitem__, wanted)]  # type: ignore[index]
        ends = Bootstrap(score.denominator, seed).ends(score.numerator[chosen])
        found = dict(zip(wanted, ends.tolist(), strict=True))
        return [replace(row, low=found[i][0], high=found[i][1]) if i in found else row for i, row in enumerate(rows)]

    def differences(self, metric: str, constant: int | None) -> Iterator[Combination]:
        """Top − mean(rival) of each size, with the odds p of a random set as good; top − constant baseline.

        The primary ranking's top is also compared with the tops of the others.
        """
        for ranking, by_size in self.found.items():
            for k, sets in by_size.items():
                if "top" in sets:
                    yield from self._top_differences(metric, ranking, k, sets["top"][0], constant)

    def _top_differences(
        self, metric: str, ranking: str, k: int, top: int, constant: int | None
    ) -> Iterator[Combination]:
        values, own = self.values[metric], self.found[ranking][k]
        rivals = {name: own[name] for name in RANDOM_SETS if name in own}
        if ranking != self.primary:
            rivals = (
                {"random": self.found[self.primary][k]["random"]} if "random" in self.found[self.primary][k] else {}
            )
        for name, positions in rivals.items():
            reached = int((values[positions] >= values[top]).sum())
            flags = {"against": name, "n_draws": len(positions), "p": (1 + reached) / (1 + len(positions))}
            yield self._combine(f"{metric}_difference", metric, [top], [(1.0, [top]), (-1.0, positions)], **flags)
        others = self.found if ranking == self.primary else {}
        against = {name: found[k]["top"][0] for name, found in others.items() if name != ranking}
        against |= {} if constant is None else {self.target.constant: constant}
        for name, position in against.items():
            terms = [(1.0, [top]), (-1.0, [position])]
            yield self._combine(f"{metric}_difference", metric, [top], terms, against=name)

    def lost(self, metric: str, oracle: int) -> Iterator[Combination]:
        """The oracle's value − that of each set (the mean over its draws)."""
        for _, _, name, positions in self._groups():
            more = {"n_draws": len(positions)} if name in RANDOM_SETS else {}
            yield self._combine(f"{metric}_lost", metric, positions, [(1.0, [oracle]), (-1.0, positions)], **more)

    def areas(self, metric: str) -> Iterator[Combination]:
        """The area under accuracy over shares of each set (the mean over its draws), and that of top − rival.

        Trapezoids between the measured shares, divided by their range: the mean accuracy over that range of shares, in
        [0, 1]. One share has no area. Rows are of the study <study>_curve: they have no k.
        """
        ks = sorted(self.found[self.primary])
        if len(ks) < 2:
            return
        heights = dict(zip(ks, trapezoid([k / self._n_neurons for k in ks]), strict=True))
        terms = {
            (ranking, name): [(heights[k], by_size[k][name]) for k in ks]
            for ranking, by_size in self.found.items() for name in by_size[ks[0]]
        }  # fmt: skip
        what = "area" if metric == "accuracy" else f"{metric}_area"
        for own in terms.values():
            yield self._area(what, metric, own)
        rivals = {(ranking, name): name if ranking == self.primary else ranking for ranking, name in terms
                  if name in RANDOM_SETS or (name == "top" and ranking != self.primary)}  # fmt: skip
        for rival, name in rivals.items():
            against = [*terms[self.primary, "top"], *((-weight, positions) for weight, positions in terms[rival])]
            yield self._area(f"{what}_difference", metric, against, against=name)

    def _area(self, what: str, metric: str, terms: Sequence[tuple[float, list[int]]], **flags: Any) -> Combination:
        shares = sorted(k / self._n_neurons for k in self.found[self.primary])
        ends = {"from_share": shares[0], "to_share": shares[-1], "n_sizes": len(shares)}
        found = self._combine(what, metric, terms[0][1], terms, **ends, **flags)
        kept = {name: flag for name, flag in found.row.flags.items() if name not in ABOUT_A_SET}
        row = replace(found.row, study=f"{self.study}_curve", k=None, share=None, flags=kept)
        return replace(found, row=row)

    def _groups(self) -> Iterator[tuple[str, int, str, list[int]]]:
        for ranking, by_size in self.found.items():
            for k, sets in by_size.items():
                for name, positions in sets.items():
                    yield ranking, k, name, positions

    def _combine(
        self, what: str, metric: str, positions: list[int], terms: Sequence[tuple[float, list[int]]], **flags: Any
    ) -> Combination:
        """Σ coefficient · mean(value over positions), about the sets at `positions`."""
        values = self.values[metric]
        weights, spreads = torch.zeros(len(values), dtype=torch.float64), []
        for coefficient, own in terms:
            weights[own] += coefficient / len(own)
            if own[0] < len(self.sets) and self.sets[own[0]].draw is not None:
                spreads.append((coefficient, values[own]))
        row = replace(self._row(what, metric, positions, **flags), value=float(weights @ values))
        return Combination(row, weights, spreads)

    def _mean(self, metric: str, positions: list[int]) -> Row:
        values = self.values[metric][positions]
        deviation = float(values.std()) if len(positions) > 1 else None
        least, most = float(values.min()), float(values.max())
        return self._row(
            f"mean_{metric}", metric, positions, n_draws=len(positions), deviation=deviation, least=least, most=most
        )

    def _row(self, what: str, metric: str, positions: list[int], draw: int | None = None, **flags: Any) -> Row:
        """The mean over `positions`, which are sets of the same name and size."""
        chosen = self.sets[positions[0]]
        ranking = self.rankings[chosen.ranking]
        is_top = torch.zeros(self._n_neurons, dtype=torch.bool)
        is_top[neurons.top(ranking.order, chosen.k)] = True
        overlap = torch.stack([is_top[self.sets[i].neurons].double().mean() for i in positions])
        flags = {**self.flags, "overlap_with_top": float(overlap.mean()), **flags}
        flags |= not_earned(ranking, chosen.name, chosen.k)
        if chosen.k < ranking.first_block and chosen.name == "top":
            flags["inside_first_block"] = True
        return Row(
            self.study, what, float(self.values[metric][positions].mean()), set=chosen.name, k=chosen.k,
            share=chosen.k / self._n_neurons, draw=draw, ranking=chosen.ranking, flags=flags, **self.about,
        )  # fmt: skip

    @property
    def _n_neurons(self) -> int:
        return len(self.rankings[self.primary].order)


def trapezoid(at: Sequence[float]) -> list[float]:
    """What the height at each place counts in the area under a curve, over their range; that at a single place all."""
    if len(at) == 1:
        return [1.0]
    widths = [after - before for before, after in pairwise(at)]
    sides = zip([0.0, *widths], [*widths, 0.0], strict=True)
    return [(left + right) / 2 / (at[-1] - at[0]) for left, right in sides]
