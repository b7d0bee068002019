"""How far a ranking can be trusted: its top over training seeds, and over resamples of the training sentences."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.neurons import top
from neuronprobe.progress import bar
from neuronprobe.rankings import ranked_together, rehearse
from neuronprobe.rankings.evidence import key
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, find, first, hundred, notes, percent, plain
from neuronprobe.studies.overlap import Overlap, first_blocks, overlap, top_sets
from neuronprobe.studies.ranking import SHOWN
from neuronprobe.studies.resamples import resampled, resamples
from neuronprobe.studies.sets import sizes
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Ranking, Result, Row

log = logging.getLogger(__name__)

HALF = 0.5
"""A top of which two trainings share less than half is called unstable."""
CERTAIN = 0.9
"""From this confidence on a neuron counts as certain."""


@dataclass(frozen=True)
class Rankings:
    """Rankings that differ in their seeds, or in their resamples; `labels` are those that each could see."""

    over: str
    differ: str
    found: Sequence[Ranking]
    labels: Bool[Tensor, "ranking label"]


def stability(trained: Trained, values: Sequence[int | float], seeds: int, n_resamples: int) -> Result:
    """Train again with the λ of the chosen probe: `seeds` banks of another data order and start, one bank of resamples.

    Hands on for each size the share of resamples in which each neuron is in the top.
    """
    counts = sizes(values, len(trained.table))
    over_seeds, over_resamples = by_seed(trained, seeds), by_resample(trained, n_resamples)
    stable = _Stable(trained)
    confidence = {k: top_sets(over_resamples.found, k).float().mean(0) for k in counts}
    rows = [row for rankings in (over_seeds, over_resamples) for row in stable.overlaps(rankings, counts)]
    rows += [row for k in counts for row in stable.confidence(k, confidence[k])]
    rows += stable.dropped_labels(over_resamples)
    _say(rows)
    shown = plain(rows)
    return Result(
        tuple(rows), {}, (_table(shown),), (_figure(shown),), tuple(filter(None, (_remark(shown),))), handed=confidence
    )


def _table(rows: Sequence[PlainRow]) -> Table:
    body = []
    for row in find(rows, metric="overlap"):
        size = "first block" if row["set"] == "first_block" else f"top {100 * row['share']:.3g} %"
        certain = first(rows, metric="certain_neurons", k=row["k"], set=row["set"])
        n_certain = "-" if certain is None or row["over"] == "seeds" else f"{certain['value']:.0f}"
        by_chance = f"{100 * row['chance']:.1f}"
        body.append((row["over"], f"{size} ({row['k']:,})", percent(row), by_chance, n_certain))
    heading = "Stability: how much of the top two trainings share, %, mean [least, most] over pairs"
    header = ("over", "neurons", "overlap", "by chance", "neurons in ≥ 90 % of the resampled tops")
    return Table(heading, header, tuple(body), notes(find(rows, metric="overlap")), on_screen=False)


def _figure(rows: Sequence[PlainRow]) -> Figure:
    found = find(rows, metric="overlap", set="top")
    curves = {f"two {over}": find(found, over=over) for over in dict.fromkeys(row["over"] for row in found)}
    series = [_curve(own, name, "low", "value", "high") for name, own in curves.items()]
    series.append(_curve(find(found, over="resamples"), "two resamples, by chance", "chance", "chance", "chance"))
    title = "How much of their top two trainings share (bands: least and most over pairs)"
    x_title = "neurons in the top, % (log scale)"
    note = "Hollow: tops that the ranking did not earn whole." if any(any(one.flagged) for one in series) else ""
    return Figure("stability", title, x_title, "shared, %", tuple(series), log=True, limits=(0, 100), note=note)


def _curve(own: Sequence[PlainRow], name: str, *keys: str) -> Series:
    low, value, high = (tuple(hundred(row[key]) for row in own) for key in keys)
    flagged = tuple(bool(row.get("not_earned")) for row in own)
    return Series(name, tuple(100 * row["share"] for row in own), value, low, high, flagged)


def _remark(rows: Sequence[PlainRow]) -> str:
    """How much of its top the ranking keeps over seeds and over resamples."""
    found = []
    for over in ("seeds", "resamples"):
        shares = ", ".join(
            f"{100 * row['value']:.0f} % of the top {row['share']:.0%} "
            f"({_earned(row)}by chance {100 * row['chance']:.0f})"
            for row in find(rows, metric="overlap", set="top", over=over)
        )
        found += [f"two {over} share {shares}"] if shares else []
    return f"stability: {'; '.join(found)}." if found else ""


def _earned(row: PlainRow) -> str:
    """`12 earned, ` where the smallest of the tops was not earned whole."""
    return f"{row['k'] - row['not_earned']:,} earned, " if row.get("not_earned") else ""


def by_seed(trained: Trained, seeds: int) -> Rankings:
    """The ranking at hand and those of other seeds: another initialisation and, where data are shuffled, order.

    Solver `exact` then starts at random points: what the rankings share tells whether the optimum was reached.
    A ranking that trains probes of its own trains them with the same seeds.
    """
    found = [trained.ranking, *of_other_seeds(trained, [trained.primary], seeds)[trained.primary]]
    differ = "initialisation" if trained.fit.order_seed is None else "initialisation and order"
    return Rankings("seeds", differ, found, torch.ones(len(found), trained.train.n_labels, dtype=torch.bool))


def of_other_seeds(trained: Trained, names: Sequence[str], seeds: int) -> dict[str, list[Ranking]]:
    """Rankings of other seeds, by name: each seed has a bank, and what rankings train is trained with it."""
    fit = trained.fit
    found: dict[str, list[Ranking]] = {name: [] for name in names}
    with bar("other seeds", seeds) as advance:
        for i, seed in enumerate(range(fit.seed + 1, fit.seed + 1 + seeds)):
            other = fit.with_seed(seed)
            (probe,) = other([trained.member(seed=seed)], trained.train)
            evidence = replace(trained.evidence(probe), fit=other, seed=seed)
            for name in names:
                found[name].append(trained.ranks[name](evidence))
            advance(i + 1)
    return found


def by_resample(trained: Trained, n: int) -> Rankings:
    """Rankings of resamples of the training sentences, one bank; each ignores the labels that its resample lacks."""
    weights = resamples(trained.train.units, n, trained.seed)
    found = made_again(trained, [trained.primary], n)[trained.primary]
    labels = [trained.evidence(trained.probe, own).supported for own in weights]
    return Rankings("resamples", "initialisation and sentences", found, torch.stack(labels))


def made_again(trained: Trained, names: Sequence[str], n: int) -> dict[str, list[Ranking]]:
    """Rankings of `n` resamples of the training sentences, by name; what they draw is drawn anew.

    Their probes, and those that they would train first themselves, are one bank; so are those that they train next.
    """
    train, dev, fit = trained.train, trained.splits["dev"], trained.fit
    weights = resamples(train.units, n, trained.seed)
    first = [
        [m for name in names for m in rehearse(trained.ranks[name], train, dev, fit, trained.seed + 1 + i)]
        for i in range(n)
    ]
    own = [list({key(m): replace(m, weights=w) for m in wanted}.values())
           for wanted, w in zip(first, weights, strict=True)]  # fmt: skip
    probes = fit([*resampled(trained.probe, weights), *(member for wanted in own for member in wanted)], train)
    others = iter(probes[n:])
    evidences = [
        replace(trained.evidence(probes[i], weights[i]), seed=trained.seed + 1 + i,
                known={key(m): next(others) for m in own[i]})
        for i in range(n)
    ]  # fmt: skip
    found: dict[tuple[str, int], Ranking] = {}
    with bar("rankings of resamples", n * len(names)) as advance:
        for i, name, ranking in ranked_together({name: trained.ranks[name] for name in names}, evidences):
            found[name, i] = ranking
            advance(len(found))
    return {name: [found[name, i] for i in range(n)] for name in names}


@dataclass(frozen=True)
class _Stable:
    """Rows about the primary ranking."""

    trained: Trained

    def overlaps(self, rankings: Rankings, counts: Sequence[int]) -> list[Row]:
        """Of the tops of each size, and of the first blocks."""
        rows = []
        for k in counts:
            found = overlap(top_sets(rankings.found, k), self.trained.table)
            earned = min(one.earned for one in rankings.found)
            flags: dict[str, Any] = {"unstable": True} if float(found.pairs.mean()) < HALF else {}
            if k < max(one.first_block for one in rankings.found):
                flags["inside_first_block"] = True
            if earned < k:
                flags["not_earned"] = k - earned
            rows.append(self._overlap(found, rankings, set="top", k=k, share=k / self._n_neurons, flags=flags))
        found = overlap(first_blocks(rankings.found), self.trained.table)
        rows.append(self._overlap(found, rankings, set="first_block", k=self.trained.ranking.first_block, flags={}))
        return rows

    def confidence(self, k: int, confidence: Float[Tensor, " neuron"]) -> list[Row]:
        """Of the first neurons one by one; mean of the top k, and how many of them are certain; earned ones only."""
        chosen = confidence[top(self.trained.ranking.order, min(k, self.trained.ranking.earned))]
        tops: dict[str, Any] = {"set": "top", "k": k, "share": k / self._n_neurons}
        rows = [
            self._row("mean_confidence", float(chosen.mean()) if len(chosen) else 0.0, **tops),
            self._row("certain_neurons", int((chosen >= CERTAIN).sum()), flags={"confidence": CERTAIN}, **tops),
        ]
        for rank, flat in enumerate(
            self.trained.ranking.order[: min(k, SHOWN, self.trained.ranking.earned)].tolist(), 1
        ):
            neuron = self.trained.table.neuron(flat)
            where = {"site": neuron.site, "layer": neuron.layer, "neuron": neuron.index}
            flags = {"rank": rank, "role": neuron.role}
            rows.append(self._row("confidence", float(confidence[flat]), flags=flags, **where, **tops))
        return rows

    def dropped_labels(self, rankings: Rankings) -> list[Row]:
        """How many labels a resample lacks on average, and for each such label in how many resamples."""
        names = self.trained.labels
        support = self.trained.target.support(self.trained.train.units)
        missing = (~rankings.labels).sum(0).tolist()
        n = len(rankings.labels)
        rows = [self._row("labels_dropped", sum(missing) / n, flags={"over": rankings.over, "resamples": n})]
        for label, times in enumerate(missing):
            if times:
                flags = {"resamples": n, "support": support[label]}
                rows.append(self._row("resamples_without_label", times, label=names[label], flags=flags))
        return rows

    def _overlap(self, found: Overlap, rankings: Rankings, flags: dict[str, Any], **where: Any) -> Row:
        flags = {"over": rankings.over, "differ": rankings.differ, **found.about(), **flags}
        low, high = float(found.pairs.min()), float(found.pairs.max())
        return self._row("overlap", float(found.pairs.mean()), low=low, high=high, flags=flags, **where)

    def _row(self, metric: str, value: int | float, **where: Any) -> Row:
        return Row("stability", metric, float(value), ranking=self.trained.primary, **self.trained.about(), **where)

    @property
    def _n_neurons(self) -> int:
        return len(self.trained.table)


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
