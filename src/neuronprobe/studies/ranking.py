"""What a ranking says: its first neurons, their layers, neurons per label (EMNLP 2020 figures 1-2; AAAI 2019 fn. 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from neuronprobe.neurons import NeuronTable, size, top
from neuronprobe.probes import Probe
from neuronprobe.types import Ranking, Row, Units

LABEL_MASS = 0.25
"""The share of a label's weight mass whose neurons are its salient set (AAAI 2019 footnote 8)."""
SHOWN = 10


def ranking_rows(
    ranking: Ranking, probe: Probe, table: NeuronTable, labels: Sequence[str], train: Units, salient: float, solver: str
) -> list[Row]:
    """The ten most salient neurons, salient neurons per layer, neurons per label, cut-offs and what is to be known.

    Only earned neurons are salient: counts stop there.
    """
    k = size("callbacks.ranking.salient", salient, len(table))
    common: dict[str, Any] = {
        "ranking": ranking.name, "solver": solver, "task": "property",
        "seed": probe.seed, "l1": probe.l1, "l2": probe.l2,
    }  # fmt: skip

    def row(metric: str, value: int | float, **place: Any) -> Row:
        return Row("ranking", metric, float(value), **common, **place)

    rows = []
    for rank, (flat, served) in enumerate(ranking.labels_served(min(SHOWN, ranking.earned)).items(), 1):
        neuron = table.neuron(flat)
        flags = {"rank": rank, "labels": [labels[label] for label in served], "role": neuron.role}
        place = {"site": neuron.site, "layer": neuron.layer, "neuron": neuron.index}
        rows.append(row("mass_of_heavier_neurons", float(ranking.score[flat]), set="top", **place, flags=flags))
    earned = min(k, ranking.earned)
    counts = table.counts(top(ranking.order, earned)).tolist()
    for segment, count in zip(table.segments, counts, strict=True):
        place = {"site": segment.site, "layer": segment.layer, "flags": {"role": segment.role, "earned": earned}}
        rows.append(row("salient_neurons", count, set="top", k=k, share=k / len(table), **place))
    support = torch.bincount(train.labels, minlength=len(labels)).tolist()
    for label, name in enumerate(labels):
        flags = {"mass": LABEL_MASS, "support": support[label], "massless": bool(ranking.massless[label])}
        rows.append(row("label_neurons", label_neurons(ranking, label, LABEL_MASS), label=name, flags=flags))
    rows += [row("neurons_at_mass", ranking.cuts[p], flags={"mass": p / 100}) for p in (1, 2, 5, 10, 25, 50, 100)]
    rows.append(row("first_block", ranking.first_block))
    rows.append(row("earned_neurons", ranking.earned))
    rows.append(row("massless_labels", int(ranking.massless.sum())))
    return rows


def label_neurons(ranking: Ranking, label: int, mass: float) -> int:
    """How many of a label's heaviest neurons hold `mass` of its weight mass; 0 if it has none."""
    if bool(ranking.massless[label]):
        return 0
    return int((ranking.entry[label] < mass).sum())
