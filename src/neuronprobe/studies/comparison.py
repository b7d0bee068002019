"""The sets of neurons that ablation and retraining compare, and the reading of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from neuronprobe import neurons
from neuronprobe.activations import Split
from neuronprobe.neurons import Neurons, NeuronTable
from neuronprobe.probes import Probe, Score, score
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.types import Ranking, Result, Row

RANDOM_SETS = ("random", "layer_matched")


@dataclass(frozen=True)
class NeuronSet:
    """k neurons with the name of the set they are: top, random, layer_matched, bottom; `draw` for the random ones."""

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
    ranking: Ranking, seed: int, solver: str,
) -> Result:  # fmt: skip
    """Rows for each set and each mean over draws; on test also intervals, and top − mean(random), paired."""
    rows: list[Row] = []
    correct = {}
    for name, split in splits.items():
        found = score(probes, split)
        about = {"ranking": ranking.name, "solver": solver, "task": "property", "mode": mode, "split": name}
        bootstrap = Bootstrap(found.units, seed) if name == "test" else None
        rows += _Reading(study, sets, probes, ranking, found, bootstrap, about).rows()
        if name == "test":
            correct = {f"{study}/{chosen}": found.correct[i] for i, chosen in enumerate(sets)}
    return Result(tuple(rows), correct)


@dataclass(frozen=True)
class _Reading:
    """What the scores of one split say."""

    study: str
    sets: Sequence[NeuronSet]
    probes: Sequence[Probe]
    ranking: Ranking
    found: Score
    bootstrap: Bootstrap | None
    about: dict[str, Any]

    def rows(self) -> list[Row]:
        places = range(len(self.sets))
        rows = [self._row("accuracy", [i], draw=self.sets[i].draw) for i in places]
        if self.bootstrap:
            ends = self.bootstrap.accuracy(self.found.correct).tolist()
            rows = [replace(row, low=low, high=high) for row, (low, high) in zip(rows, ends, strict=True)]
        for k in dict.fromkeys(chosen.k for chosen in self.sets):
            for name in RANDOM_SETS:
                draws = [i for i in places if (self.sets[i].name, self.sets[i].k) == (name, k)]
                tops = [i for i in places if (self.sets[i].name, self.sets[i].k) == ("top", k)]
                rows += self._mean(draws) if draws else []
                rows += self._difference(tops[0], draws, name) if draws and tops else []
        return rows

    def _mean(self, draws: list[int]) -> list[Row]:
        deviation = float(self.found.accuracy[draws].std()) if len(draws) > 1 else None
        return [self._row("mean_accuracy", draws, n_draws=len(draws), deviation=deviation)]

    def _difference(self, top: int, draws: list[int], against: str) -> list[Row]:
        if self.bootstrap is None:
            return []
        low, high = self.bootstrap.difference(self.found.correct[top], self.found.correct[draws]).tolist()
        gain = float(self.found.accuracy[top] - self.found.accuracy[draws].mean())
        row = self._row("accuracy_difference", [top], against=against, n_draws=len(draws))
        return [replace(row, value=gain, low=low, high=high)]

    def _row(self, metric: str, places: list[int], draw: int | None = None, **flags: Any) -> Row:
        """The mean accuracy over `places`, which are sets of the same name and size."""
        chosen, probe, ranking = self.sets[places[0]], self.probes[places[0]], self.ranking
        top = neurons.top(ranking.order, chosen.k)
        overlap = torch.stack([torch.isin(self.sets[i].neurons, top).double().mean() for i in places])
        flags = {"overlap_with_top": float(overlap.mean()), **flags}
        if chosen.k < ranking.first_block and chosen.name == "top":
            flags["inside_first_block"] = True
        if chosen.name == "bottom" and ranking.weightless:
            flags["weightless"] = min(chosen.k, ranking.weightless)
        return Row(
            self.study, metric, float(self.found.accuracy[places].mean()), set=chosen.name, k=chosen.k,
            share=chosen.k / len(ranking.order), draw=draw, seed=probe.seed,
            l1=probe.l1, l2=probe.l2, flags=flags, **self.about,
        )  # fmt: skip


def _draw_seed(seed: int, draw: int | None) -> int:
    return seed * 1009 + (draw or 0) + 1
