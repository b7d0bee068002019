"""Selectivity (Hewitt & Liang 2019; EMNLP 2020 table 2): the score − that of a task which only memory solves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import Neurons
from neuronprobe.probes import score
from neuronprobe.shown import Table
from neuronprobe.studies.cells import PlainRow, find, first, metric_name, percent, plain
from neuronprobe.studies.intervals import over_draws, paired_ends
from neuronprobe.studies.minimal_set import Minimum
from neuronprobe.studies.trained import Trained
from neuronprobe.targets import Score
from neuronprobe.types import Result, Row


def selectivity(trained: Trained, minima: Sequence[Minimum], draws: int) -> Result:
    """Of all neurons, and of the minimal set of each tolerance: one row per draw of the control task, and their mean.

    Every control probe has the λ, the first weights, the neurons and the batches of its property probe; all of them are
    one bank. Intervals are paired over test sentences,
    and carry the spread over the draws.
    """
    sizes = {m.k: m.probe for m in minima if m.probe is not None}
    train = trained.train
    probes = {"all": trained.probe, **{f"top-{k}": probe for k, probe in sizes.items()}}
    by_split = memorised([probe.neurons for probe in probes.values()], trained, draws)
    rows: list[Row] = []
    correct: dict[str, Tensor] = {}
    metric = trained.target.metrics[0]
    for name, split in trained.held_out.items():
        about = trained.about(split=name, task="control")
        compared = Memory("selectivity", score(list(probes.values()), split).score(metric), by_split[name],
                          trained.seed, about)  # fmt: skip
        rows += compared.rows(0, {"set": "all", "k": len(train.neurons), "share": 1.0, "mode": "trained"})
        for minimum in minima:
            own: dict[str, Any] = {"set": "top", "k": minimum.k, "mode": "retrained", "ranking": trained.primary}
            flags = {"tolerance": minimum.tolerance, "within_tolerance": minimum.k is not None}
            if minimum.k is None:
                rows.append(Row("selectivity", "selectivity", None, flags=flags, **own, **about))
                continue
            share = minimum.k / len(train.neurons)
            rows += compared.rows(list(probes).index(f"top-{minimum.k}"), {**own, "share": share}, flags)
        rows.append(_known_types(split, train, name))
        if name == "test" and compared.is_one_ratio:
            correct = {f"selectivity/control-{probe}": torch.stack([found.numerator[i] for found in by_split[name]])
                       for i, probe in enumerate(probes)}  # fmt: skip
    return Result(tuple(rows), correct, (_table(plain(rows), metric),))


def _table(rows: Sequence[PlainRow], metric: str) -> Table:
    body = []
    for row in find(rows, metric="selectivity", split="test"):
        control = first(rows, metric=f"mean_{metric}", split="test", set=row["set"], tolerance=row.get("tolerance"))
        size = "all" if row["set"] == "all" else f"minimal set, tolerance {row['tolerance']:g}"
        body.append((size, f"{row['k']:,}" if row["k"] else "-", percent(control), percent(row)))
    name = metric_name(metric)
    heading = f"Selectivity: {name} − {name} on a control task that only memory solves, on test, %"
    return Table(heading, ("neurons", "count", "control task", "selectivity"), tuple(body))


def memorised(sets: Sequence[Neurons | None], trained: Trained, draws: int) -> dict[str, list[Score]]:
    """For dev and test what probes of these neurons reach in each draw of the control task; all of them are one bank.

    Each learns with the λ and the first weights of the chosen probe.
    """
    train, metric = trained.train, trained.target.metrics[0]
    seeds = [trained.seed * 1009 + draw + 1 for draw in range(draws)]
    labels = [_control(train, train, seed).units.labels for seed in seeds]
    found = trained.fit([trained.member(chosen, labels=own) for own in labels for chosen in sets], train)
    drawn = [found[i * len(sets) : (i + 1) * len(sets)] for i in range(draws)]
    return {
        name: [score(own, _control(split, train, s)).score(metric) for own, s in zip(drawn, seeds, strict=True)]
        for name, split in trained.held_out.items()
    }


def _control(split: Split, train: Split, seed: int) -> Split:
    """The split with the labels of one draw of the control task."""
    return split.relabelled(train.target.control(split.units, train.units, seed))


def _known_types(split: Split, train: Split, name: str) -> Row:
    """The share of units whose type train has: beyond it, a control task can only be guessed."""
    known = set(train.units.types)
    share = sum(kind in known for kind in split.units.types) / max(1, len(split))
    return Row("selectivity", "known_types", share, task="control", split=name)


@dataclass(frozen=True)
class Memory:
    """Scores of the same probes on one split: `found` for the property, `memorised` for each draw of its control.

    Its rows are those of a `study`.
    """

    study: str
    found: Score
    memorised: Sequence[Score]
    seed: int
    about: dict[str, Any]

    @property
    def is_one_ratio(self) -> bool:
        """Whether the control task's scores are parts of the same as the property's (units are, squares are not)."""
        return all(torch.equal(one.denominator, self.found.denominator) for one in self.memorised)

    def rows(self, i: int, where: dict[str, Any], flags: Mapping[str, Any] | None = None) -> list[Row]:
        """What the i-th probe's control reaches in each draw and in the mean, and its selectivity."""
        drawn, metric = torch.stack([found.value[i] for found in self.memorised]), self.found.metric
        deviation = float(drawn.std()) if len(drawn) > 1 else None
        flags = dict(flags or {})
        summary = {**flags, "n_draws": len(drawn), "deviation": deviation}
        where = {**where, **self.about}
        low, high = self._interval(i)
        rows = [Row(self.study, metric, float(value), draw=draw, flags=flags, **where)
                for draw, value in enumerate(drawn)]  # fmt: skip
        rows.append(Row(self.study, f"mean_{metric}", float(drawn.mean()), flags=summary, **where))
        gain = float(self.found.value[i] - drawn.mean())
        return [*rows, Row(self.study, "selectivity", gain, low=low, high=high, flags=summary, **where)]

    def _interval(self, i: int) -> tuple[float | None, float | None]:
        """Over test sentences, paired (both tasks have the same units), and over draws of the control task."""
        if self.about["split"] != "test":
            return None, None
        low, high = paired_ends(self.found, self.memorised, i, self.seed)
        values = torch.stack([found.value[i] for found in self.memorised])
        value = float(self.found.value[i] - values.mean())
        return over_draws((low, high), value, [(-1.0, values)]) or (None, None)
