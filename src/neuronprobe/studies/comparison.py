"""The sets of neurons that ablation and retraining compare, and the reading of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def neuron_sets(
    ranking: Ranking, table: NeuronTable, sizes: Sequence[int | float], names: Sequence[str], draws: int, seed: int
) -> list[NeuronSet]:
    """All sets of all sizes. Raises InputError where a size is beyond the neurons."""
    sets = []
    for value in sizes:
        k = neurons.size("callbacks: sizes", value, len(table))
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
    """Rows for each set and each summary of draws, and on test top − mean(random) with its paired interval."""
    rows: list[Row] = []
    correct = {}
    common = {"ranking": ranking.name, "solver": solver, "task": "property", "mode": mode}
    for name, split in splits.items():
        found = score(probes, split)
        bootstrap = Bootstrap(found.units, seed) if name == "test" else None
        reading = _Reading(study, sets, probes, found, bootstrap, ranking, {**common, "split": name})
        rows += reading.rows()
        if name == "test":
            correct = {f"{study}/{_key(s)}": found.correct[i] for i, s in enumerate(sets)}
    return Result(tuple(rows), correct)


class _Reading:
    """Rows of one split."""

    def __init__(
        self, study: str, sets: Sequence[NeuronSet], probes: Sequence[Probe], found: Score,
        bootstrap: Bootstrap | None, ranking: Ranking, common: dict[str, str],
    ) -> None:  # fmt: skip
        self._study, self._sets, self._probes, self._found = study, sets, probes, found
        self._bootstrap, self._ranking, self._common = bootstrap, ranking, common

    def rows(self) -> list[Row]:
        ends = self._bootstrap.accuracy(self._found.correct).tolist() if self._bootstrap else None
        accuracy = self._found.accuracy.tolist()
        rows = [
            self._row(i, "accuracy", accuracy[i], *(ends[i] if ends else (None, None))) for i in range(len(self._sets))
        ]
        for k in dict.fromkeys(s.k for s in self._sets):
            for name in RANDOM_SETS:
                rows += self._against(name, k)
        return rows

    def _against(self, name: str, k: int) -> list[Row]:
        """The mean over draws, and top minus it."""
        draws = [i for i, s in enumerate(self._sets) if (s.name, s.k) == (name, k)]
        if not draws:
            return []
        accuracy = self._found.accuracy
        mean, n = float(accuracy[draws].mean()), len(draws)
        spread = float(accuracy[draws].std()) if n > 1 else None
        rows = [self._row(draws[0], "mean_accuracy", mean, draw=None, n_draws=n, deviation=spread)]
        tops = [i for i, s in enumerate(self._sets) if (s.name, s.k) == ("top", k)]
        if tops and self._bootstrap:
            ends = self._bootstrap.difference(self._found.correct[tops[0]], self._found.correct[draws]).tolist()
            gain = float(accuracy[tops[0]]) - mean
            rows.append(self._row(tops[0], "accuracy_difference", gain, *ends, against=name, n_draws=n))
        return rows

    def _row(self, i: int, metric: str, value: float, low: float | None = None, high: float | None = None,
             **flags: object) -> Row:  # fmt: skip
        chosen, probe, ranking = self._sets[i], self._probes[i], self._ranking
        top = neurons.top(ranking.order, chosen.k)
        flags = {"overlap_with_top": float(torch.isin(chosen.neurons, top).double().mean()), **flags}
        if chosen.k < ranking.first_block and chosen.name == "top":
            flags["inside_first_block"] = True
        if chosen.name == "bottom" and ranking.weightless:
            flags["weightless"] = min(chosen.k, ranking.weightless)
        draw = flags.pop("draw", chosen.draw)
        return Row(
            self._study, metric, value, set=chosen.name, k=chosen.k, share=chosen.k / len(ranking.order),
            draw=draw, seed=probe.seed, l1=probe.l1, l2=probe.l2, low=low, high=high, flags=flags, **self._common,
        )  # type: ignore[arg-type]  # fmt: skip


def _key(chosen: NeuronSet) -> str:
    return f"{chosen.name}-{chosen.k}" + ("" if chosen.draw is None else f"-{chosen.draw}")


def _draw_seed(seed: int, draw: int | None) -> int:
    return seed * 1009 + (draw or 0) + 1
