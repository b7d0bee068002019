"""The sets of neurons that ablation, retraining and the minimal set compare, and the reading of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from neuronprobe import neurons
from neuronprobe.activations import Split
from neuronprobe.neurons import Neurons, NeuronTable
from neuronprobe.probes import Probe, Score, score
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.types import Ranking, Result, Row

RANDOM_SETS = ("random", "layer_matched")
RIVALS = (*RANDOM_SETS, "magnitude")
"""What the top is measured against, paired."""


@dataclass(frozen=True)
class NeuronSet:
    """k neurons with the name of the set they are: top, bottom, magnitude, random, layer_matched; the random ones
    have a `draw`.
    """

    name: str
    k: int
    draw: int | None
    neurons: Neurons

    def __str__(self) -> str:
        return f"{self.name}-{self.k}" + ("" if self.draw is None else f"-{self.draw}")


def neuron_sets(
    ranking: Ranking, table: NeuronTable, sizes: Sequence[int | float], names: Sequence[str], draws: int, seed: int
) -> list[NeuronSet]:
    """All sets of all sizes. Raises InputError where a size is beyond the neurons."""
    sets = []
    for k in dict.fromkeys(neurons.size("sizes", value, len(table)) for value in sizes):
        for name in names:
            for draw in range(draws) if name in RANDOM_SETS else [None]:
                sets.append(NeuronSet(name, k, draw, _choose(name, ranking, table, k, _draw_seed(seed, draw))))
    return sets


def _choose(name: str, ranking: Ranking, table: NeuronTable, k: int, seed: int) -> Neurons:
    match name:
        case "top":
            return neurons.top(ranking.order, k)
        case "bottom":
            return neurons.bottom(ranking.order, k)
        case "layer_matched":
            return neurons.layer_matched(table, neurons.top(ranking.order, k), seed)
        case _:
            return neurons.random(len(table), k, seed)


def compare(
    study: str, mode: str, sets: Sequence[NeuronSet], probes: Sequence[Probe], splits: dict[str, Split],
    ranking: Ranking, seed: int, solver: str, oracle: Probe | None = None, curve: bool = False, **flags: Any,
) -> Result:  # fmt: skip
    """Rows for each set and each mean over draws; on test also intervals, and top − mean(rival), paired.

    With `oracle` also what each set loses against it; with `curve` also areas under accuracy over shares.
    `flags` are put on all rows.
    """
    rows: list[Row] = []
    correct = {}
    for name, split in splits.items():
        found = score([*probes, *([oracle] if oracle else [])], split)
        about = {"ranking": ranking.name, "solver": solver, "task": "property", "mode": mode, "split": name}
        bootstrap = Bootstrap(found.units, seed) if name == "test" else None
        reading = _Reading(study, sets, probes, ranking, found, bootstrap, about, flags)
        rows += reading.rows() + (reading.lost() if oracle else []) + (reading.areas() if curve else [])
        if name == "test":
            correct = {f"{study}/{chosen}": found.correct[i] for i, chosen in enumerate(sets)}
    return Result(tuple(rows), correct)


@dataclass(frozen=True)
class _Reading:
    """What the scores of one split say; of `found`, the probe after those of the sets is the oracle."""

    study: str
    sets: Sequence[NeuronSet]
    probes: Sequence[Probe]
    ranking: Ranking
    found: Score
    bootstrap: Bootstrap | None
    about: dict[str, Any]
    flags: dict[str, Any]

    def rows(self) -> list[Row]:
        places = range(len(self.sets))
        rows = [self._row("accuracy", [i], draw=self.sets[i].draw) for i in places]
        if self.bootstrap:
            ends = self.bootstrap.accuracy(self.found.correct[: len(self.sets)]).tolist()
            rows = [replace(row, low=low, high=high) for row, (low, high) in zip(rows, ends, strict=True)]
        for sets in self._by_size().values():
            for name in RIVALS:
                draws, tops = sets.get(name, []), sets.get("top", [])
                rows += self._mean(draws) if draws and name in RANDOM_SETS else []
                rows += self._difference(tops[0], draws, name) if draws and tops else []
        return rows

    def lost(self) -> list[Row]:
        """The oracle's accuracy − that of each set (the mean over its draws)."""
        rows = []
        for sets in self._by_size().values():
            for name, draws in sets.items():
                weights = self._weights({-1: 1.0}, {i: -1 / len(draws) for i in draws})
                more = {"n_draws": len(draws)} if name in RANDOM_SETS else {}
                rows.append(self._combination(self._row("accuracy_lost", draws, **more), weights))
        return rows

    def areas(self) -> list[Row]:
        """The area under accuracy over shares of each set (the mean over its draws), and that of top − rival.

        Trapezoids between the measured shares, divided by their range: the mean accuracy over that range of shares, in
        [0, 1]. One share has no area. Rows are of the study <study>_curve: they have no k.
        """
        by_size = self._by_size()
        if len(by_size) < 2:
            return []
        heights = _trapezoid([k / len(self.ranking.order) for k in sorted(by_size)])
        areas: dict[str, dict[int, float]] = {}
        for k, height in zip(sorted(by_size), heights, strict=True):
            for name, draws in by_size[k].items():
                areas.setdefault(name, {}).update({i: height / len(draws) for i in draws})
        rows = [self._area("area", name, self._weights(own)) for name, own in areas.items()]
        for name in [name for name in RIVALS if name in areas and "top" in areas]:
            against = self._weights(areas["top"], {i: -weight for i, weight in areas[name].items()})
            rows.append(self._area("area_difference", "top", against, against=name))
        return rows

    def _area(self, metric: str, name: str, weights: Tensor, **flags: Any) -> Row:
        shares = sorted({chosen.k / len(self.ranking.order) for chosen in self.sets})
        ends = {"from_share": shares[0], "to_share": shares[-1], "n_sizes": len(shares)}
        probe, flags = self.probes[0], {**self.flags, **ends, **flags}
        about: dict[str, Any] = {"seed": probe.seed, "l1": probe.l1, "l2": probe.l2, "flags": flags, **self.about}
        return self._combination(Row(f"{self.study}_curve", metric, None, set=name, **about), weights)

    def _by_size(self) -> dict[int, dict[str, list[int]]]:
        """The places of the sets of each size, by name."""
        found: dict[int, dict[str, list[int]]] = {}
        for i, chosen in enumerate(self.sets):
            found.setdefault(chosen.k, {}).setdefault(chosen.name, []).append(i)
        return found

    def _weights(self, *terms: dict[int, float]) -> Tensor:
        """What each probe's accuracy counts; −1 is the place of the oracle."""
        weights = torch.zeros(len(self.found.correct), dtype=torch.float64)
        for term in terms:
            for place, weight in term.items():
                weights[place] += weight
        return weights

    def _combination(self, row: Row, weights: Tensor) -> Row:
        """The row with Σ weight · accuracy as its value, and its interval."""
        row = replace(row, value=float(weights @ self.found.accuracy))
        if self.bootstrap is None:
            return row
        low, high = self.bootstrap.combined(self.found.correct, weights[None])[0].tolist()
        return replace(row, low=low, high=high)

    def _mean(self, draws: list[int]) -> list[Row]:
        deviation = float(self.found.accuracy[draws].std()) if len(draws) > 1 else None
        return [self._row("mean_accuracy", draws, n_draws=len(draws), deviation=deviation)]

    def _difference(self, top: int, draws: list[int], against: str) -> list[Row]:
        if self.bootstrap is None:
            return []
        row = self._row("accuracy_difference", [top], against=against, n_draws=len(draws))
        return [self._combination(row, self._weights({top: 1.0}, {i: -1 / len(draws) for i in draws}))]

    def _row(self, metric: str, places: list[int], draw: int | None = None, **flags: Any) -> Row:
        """The mean accuracy over `places`, which are sets of the same name and size."""
        chosen, probe, ranking = self.sets[places[0]], self.probes[places[0]], self.ranking
        top = neurons.top(ranking.order, chosen.k)
        overlap = torch.stack([torch.isin(self.sets[i].neurons, top).double().mean() for i in places])
        flags = {**self.flags, "overlap_with_top": float(overlap.mean()), **flags}
        if chosen.k < ranking.first_block and chosen.name == "top":
            flags["inside_first_block"] = True
        if chosen.name == "bottom" and ranking.weightless:
            flags["weightless"] = min(chosen.k, ranking.weightless)
        return Row(
            self.study, metric, float(self.found.accuracy[places].mean()), set=chosen.name, k=chosen.k,
            share=chosen.k / len(ranking.order), draw=draw, seed=probe.seed,
            l1=probe.l1, l2=probe.l2, flags=flags, **self.about,
        )  # fmt: skip


def _trapezoid(shares: Sequence[float]) -> list[float]:
    """What the height at each share counts in the area under a curve, over the range of the shares."""
    widths = [after - before for before, after in pairwise(shares)]
    sides = zip([0.0, *widths], [*widths, 0.0], strict=True)
    return [(left + right) / 2 / (shares[-1] - shares[0]) for left, right in sides]


def _draw_seed(seed: int, draw: int | None) -> int:
    return seed * 1009 + (draw or 0) + 1
