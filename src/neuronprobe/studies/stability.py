"""How far a ranking can be trusted: its top over training seeds, and over resamples of the training sentences."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import NeuronTable, size, top
from neuronprobe.probes import Fit, Member, Probe
from neuronprobe.studies.lambda_search import Rank
from neuronprobe.studies.overlap import Overlap, first_blocks, overlap, top_sets
from neuronprobe.studies.ranking import SHOWN
from neuronprobe.studies.resamples import resampled, resamples, supported, supported_weights
from neuronprobe.types import Ranking, Row

log = logging.getLogger(__name__)

HALF = 0.5
"""A top of which two trainings share less than half is called unstable."""
CERTAIN = 0.9
"""From this confidence on a neuron counts as certain."""


@dataclass(frozen=True)
class Stability:
    """Rows, and for each size the share of resamples in which each neuron is in the top k."""

    rows: tuple[Row, ...]
    confidence: Mapping[int, Float[Tensor, " neuron"]]


@dataclass(frozen=True)
class Rankings:
    """Rankings that differ in their seeds, or in their resamples; `labels` are those that each could see."""

    over: str
    differ: str
    found: Sequence[Ranking]
    labels: Bool[Tensor, "ranking label"]


def stability(
    probe: Probe, ranking: Ranking, rank: Rank, fit: Fit, train: Split, names: Sequence[str],
    sizes: Sequence[int | float], seeds: int, n_resamples: int,
) -> Stability:  # fmt: skip
    """Train again with the λ of `probe`: `seeds` banks of another data order and start, one bank of resamples."""
    counts = list(dict.fromkeys(size("callbacks.stability.sizes", value, len(train.neurons)) for value in sizes))
    over_seeds = by_seed(probe, ranking, rank, fit, train, seeds)
    over_resamples = by_resample(probe, rank, fit, train, n_resamples)
    reading = _Reading(probe, ranking, train.neurons, fit.solver)
    confidence = {k: top_sets(over_resamples.found, k).float().mean(0) for k in counts}
    rows = [row for rankings in (over_seeds, over_resamples) for row in reading.overlaps(rankings, counts)]
    rows += [row for k in counts for row in reading.confidence(k, confidence[k])]
    support = torch.bincount(train.units.labels, minlength=len(names)).tolist()
    rows += reading.dropped_labels(over_resamples, names, support)
    _say(rows)
    return Stability(tuple(rows), confidence)


def by_seed(probe: Probe, ranking: Ranking, rank: Rank, fit: Fit, train: Split, seeds: int) -> Rankings:
    """The ranking at hand and those of other seeds: another initialisation and, where data are shuffled, order.

    Solver `exact` then starts at random points: what the rankings share tells whether the optimum was reached.
    """
    found = [ranking]
    for seed in range(fit.seed + 1, fit.seed + 1 + seeds):
        (other,) = fit.with_seed(seed)([Member(probe.l1, probe.l2, seed)], train)
        found.append(rank(other.trained_weights))
    differ = "initialisation" if fit.order_seed is None else "initialisation and order"
    return Rankings("seeds", differ, found, torch.ones(len(found), train.n_labels, dtype=torch.bool))


def by_resample(probe: Probe, rank: Rank, fit: Fit, train: Split, n: int) -> Rankings:
    """Rankings of resamples of the training sentences, one bank; each ignores the labels that its resample lacks."""
    weights = resamples(train.units, n, fit.seed)
    labels = supported(train.units, train.n_labels, weights)
    probes = fit(resampled(probe, weights), train)
    found = [rank(supported_weights(one, seen)) for one, seen in zip(probes, labels, strict=True)]
    return Rankings("resamples", "initialisation and sentences", found, labels)


@dataclass(frozen=True)
class _Reading:
    """Rows of one probe's ranking."""

    probe: Probe
    ranking: Ranking
    table: NeuronTable
    solver: str

    def overlaps(self, rankings: Rankings, counts: Sequence[int]) -> list[Row]:
        """Of the tops of each size, and of the first blocks."""
        rows = []
        for k in counts:
            found = overlap(top_sets(rankings.found, k), self.table)
            earned = min(one.earned for one in rankings.found)
            flags: dict[str, Any] = {"unstable": True} if float(found.pairs.mean()) < HALF else {}
            if k < max(one.first_block for one in rankings.found):
                flags["inside_first_block"] = True
            if earned < k:
                flags["not_earned"] = k - earned
            rows.append(self._overlap(found, rankings, set="top", k=k, share=k / len(self.table), flags=flags))
        found = overlap(first_blocks(rankings.found), self.table)
        rows.append(self._overlap(found, rankings, set="first_block", k=self.ranking.first_block, flags={}))
        return rows

    def confidence(self, k: int, confidence: Float[Tensor, " neuron"]) -> list[Row]:
        """Of the first neurons one by one; the mean of the top k, and how many of them are certain."""
        chosen = confidence[top(self.ranking.order, k)]
        place: dict[str, Any] = {"set": "top", "k": k, "share": k / len(self.table)}
        rows = [
            self._row("mean_confidence", float(chosen.mean()), **place),
            self._row("certain_neurons", int((chosen >= CERTAIN).sum()), flags={"confidence": CERTAIN}, **place),
        ]
        for rank, flat in enumerate(self.ranking.order[: min(k, SHOWN)].tolist(), 1):
            neuron = self.table.neuron(flat)
            where = {"site": neuron.site, "layer": neuron.layer, "neuron": neuron.index}
            flags = {"rank": rank, "role": neuron.role}
            rows.append(self._row("confidence", float(confidence[flat]), flags=flags, **where, **place))
        return rows

    def dropped_labels(self, rankings: Rankings, names: Sequence[str], support: Sequence[int]) -> list[Row]:
        """How many labels a resample lacks on average, and for each such label in how many resamples."""
        missing = (~rankings.labels).sum(0).tolist()
        n = len(rankings.labels)
        rows = [self._row("labels_dropped", sum(missing) / n, flags={"over": rankings.over, "resamples": n})]
        for label, times in enumerate(missing):
            if times:
                flags = {"resamples": n, "support": support[label]}
                rows.append(self._row("resamples_without_label", times, label=names[label], flags=flags))
        return rows

    def _overlap(self, found: Overlap, rankings: Rankings, flags: dict[str, Any], **place: Any) -> Row:
        flags = {"over": rankings.over, "differ": rankings.differ, **found.about(), **flags}
        low, high = float(found.pairs.min()), float(found.pairs.max())
        return self._row("overlap", float(found.pairs.mean()), low=low, high=high, flags=flags, **place)

    def _row(self, metric: str, value: int | float, **place: Any) -> Row:
        return Row(
            "stability", metric, float(value), ranking=self.ranking.name, solver=self.solver, task="property",
            seed=self.probe.seed, l1=self.probe.l1, l2=self.probe.l2, **place,
        )  # fmt: skip


def _say(rows: Sequence[Row]) -> None:
    """Warn of what must not be read off the ranking, and name what to change."""
    for row in rows:
        if row.metric == "overlap" and row.flags.get("unstable"):
            log.warning(
                "rankings of two %s share %.0f %% of their top %d neurons (chance %.0f %%): single neurons must not be "
                "read off this ranking; raise probe.l1, take more optimizer steps (smaller probe.batch_size, more "
                "probe.epochs) or more data.",
                row.flags["over"], 100 * (row.value or 0), row.k, 100 * row.flags["chance"],
            )  # fmt: skip
        elif row.metric == "labels_dropped" and row.value:
            log.warning(
                "labels that a resample lacks are left out of its ranking: %.1f of them on average; "
                "the confidence of their neurons is too low.",
                row.value,
            )
