"""Where salient neurons lie and for what (EMNLP 2020 figures 1-5; JMLR 2023 figures 8-14; AAAI 2019 footnote 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from neuronprobe.neurons import Neurons, size, top
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, find, layer_name, plain
from neuronprobe.studies.minimal_set import Minimum
from neuronprobe.studies.ranking import LABEL_MASS, RARE, label_neurons
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Ranking, Result, Row

FEW_LABELS = 60
"""Up to so many labels every pair has its row; beyond, the pairs that share most."""
MOST_PAIRS = 2000
SHOWN_PAIRS = 10


@dataclass(frozen=True)
class LabelSets:
    """Of the salient neurons S, those of each label: `served[label, i]` for the neuron `neurons[i]`."""

    neurons: Neurons
    served: Bool[Tensor, "label k"]
    mass: float

    @classmethod
    def of(cls, ranking: Ranking, k: int) -> LabelSets:
        """L_t = S ∩ (the label's heaviest neurons that hold the mass at which all labels' sets together cover S)."""
        return cls(top(ranking.order, k), ranking.served(k), ranking.depth(k))

    @cached_property
    def times(self) -> Int[Tensor, " k"]:
        """How many labels each neuron serves."""
        return self.served.sum(0)

    @cached_property
    def shared(self) -> Int[Tensor, "label other"]:
        """Neurons that two labels share; a label's own count on the diagonal."""
        served = self.served.double()
        return (served @ served.T).long()


def spread(trained: Trained, salient: int | float | Minimum) -> Result:
    """Salient neurons per layer and label, dominant layers, and what labels share.

    `salient` is a count, a share, or a minimal set: then all rows name its tolerance, and where no set was within it no
    neuron is salient, which is the one row. Neurons that the ranking did not earn are not salient: rows say how many
    were asked for and left out.
    """
    flags: dict[str, Any] = {}
    if isinstance(salient, Minimum):
        flags, salient = {"tolerance": salient.tolerance}, salient.k or 0
    asked = size("callbacks.spread.size", salient, len(trained.table)) if salient else 0
    k = min(asked, trained.ranking.earned)
    flags |= {"not_earned": asked - k} if k < asked else {}
    support = trained.target.support(trained.train.units)
    salience = _Salience(trained, support, LabelSets.of(trained.ranking, k), flags)
    if not k:
        return Result((salience.neurons(within_tolerance=False),), tables=(_nothing(flags.get("tolerance")),))
    rows = (
        salience.neurons(), *salience.layers(), *salience.labels_own(), *salience.pairs(), *salience.focus()
    )  # fmt: skip
    return Result(rows, {}, (_labels_table(plain(rows)), _sharing_table(plain(rows))), tuple(salience.figures()))


def _nothing(tolerance: float | None) -> Table:
    said = "The ranking earned no neuron."
    if tolerance is not None:
        said = f"No top set that was tried is within {tolerance:g} of the oracle on dev."
    return Table("Labels: no neurons count as salient", ("salient neurons",), ((said,),), on_screen=False)


def _labels_table(rows: Sequence[PlainRow]) -> Table:
    body = []
    for row in find(rows, metric="label_neurons"):
        (layer,) = find(rows, metric="dominant_layer_neurons", label=row["label"])
        (quarter,) = find(rows, metric="mass_neurons", label=row["label"])
        support = f"{row['support']:,}" + (" (rare)" if row.get("rare") else "")
        most = f"{layer_name(layer)} ({layer['value']:.0f})" if layer["value"] else "-"
        body.append((row["label"], support, f"{row['value']:.0f}", f"{quarter['value']:.0f}", most))
    about = rows[0]
    taken = f" (the minimal set for a tolerance of {about['tolerance']:g})" if "tolerance" in about else ""
    left_out = f"; {about['not_earned']:,} more have no weight" if about.get("not_earned") else ""
    header = ("label", "units in train", "its neurons", "neurons of 25 % of its mass", "dominant layer (its neurons)")
    heading = f"Labels: whose neurons the {about['k']:,} salient ones are{taken}{left_out}"
    return Table(heading, header, tuple(body), on_screen=False)


def _sharing_table(rows: Sequence[PlainRow]) -> Table:
    pairs = [row for row in find(rows, metric="shared_neurons") if row["value"]]
    most = sorted(pairs, key=lambda row: -row["jaccard"])[:SHOWN_PAIRS]
    body = tuple((f"{row['label']}, {row['other']}", f"{row['value']:.0f}", f"{row['jaccard']:.2f}") for row in most)
    (focused,), (several,) = (find(rows, metric=f"{name}_neurons") for name in ("focused", "several_labels"))
    heading = f"Shared neurons: {focused['value']:.0f} serve one label, {several['value']:.0f} several"
    return Table(f"{heading}; the pairs that share most", ("labels", "shared", "Jaccard"), body, on_screen=False)


def _cells(
    name: str, title: str, x: str, columns: Sequence[str], labels: Sequence[str], counts: Sequence[Sequence[int]]
) -> Figure:
    """A heat map of numbers of neurons, a row for each label."""
    series = tuple(
        Series(label, tuple(columns), tuple(own), mark="cell") for label, own in zip(labels, counts, strict=True)
    )
    return Figure(name, title, x, "label", series, "neurons")


@dataclass(frozen=True)
class _Salience:
    """Rows about the primary ranking."""

    trained: Trained
    support: Sequence[int]
    sets: LabelSets
    flags: Mapping[str, Any] = field(default_factory=dict)

    def neurons(self, **flags: Any) -> Row:
        """How many neurons are salient."""
        return self._row("neurons", len(self.sets.neurons), flags=flags)

    def layers(self) -> Iterator[Row]:
        """Salient neurons of each layer, and how many of them serve one label only."""
        counts = self.trained.table.counts(self.sets.neurons).tolist()
        focused = self.trained.table.counts(self.sets.neurons[self.sets.times == 1]).tolist()
        for segment, count, own in zip(self.trained.table.segments, counts, focused, strict=True):
            where: dict[str, Any] = {"site": segment.site, "layer": segment.layer}
            yield self._row("salient_neurons", count, flags={"role": segment.role, "focused": own}, **where)

    def labels_own(self) -> Iterator[Row]:
        """For each label its number, its dominant layer and its 25 % set, each with its support in train."""
        for label, name in enumerate(self.trained.labels):
            own = self.sets.neurons[self.sets.served[label]]
            about: dict[str, Any] = {"support": self.support[label]}
            if self.support[label] < RARE:
                about["rare"] = True
            yield self._row("label_neurons", len(own), label=name, flags={**about, "mass": self.sets.mass})
            yield self._dominant(name, own, about)
            quarter = label_neurons(self.trained.ranking, label, LABEL_MASS)
            yield self._row("mass_neurons", quarter, label=name, flags={**about, "mass": LABEL_MASS})

    def pairs(self) -> Iterator[Row]:
        """Neurons that two labels share, with the share of the smaller set and of both together (Jaccard)."""
        first, second = torch.triu_indices(len(self.trained.labels), len(self.trained.labels), offset=1)
        shared = self.sets.shared[first, second]
        sharing = int((shared > 0).sum())
        keep = torch.arange(len(shared))
        if len(self.trained.labels) > FEW_LABELS:
            keep = shared.argsort(descending=True, stable=True)[: min(sharing, MOST_PAIRS)]
        yield self._row("pairs_that_share", sharing, flags={"pairs": len(shared), "shown": len(keep)})
        for a, b in zip(first[keep].tolist(), second[keep].tolist(), strict=True):
            both, sizes = int(self.sets.shared[a, b]), (int(self.sets.shared[a, a]), int(self.sets.shared[b, b]))
            flags = {
                "other": self.trained.labels[b],
                "jaccard": both / max(1, sum(sizes) - both),
                "of_smaller": both / max(1, min(sizes)),
            }
            yield self._row("shared_neurons", both, label=self.trained.labels[a], flags=flags)

    def focus(self) -> Iterator[Row]:
        """How many neurons serve no, one, two, … labels."""
        for times, count in sorted(Counter(self.sets.times.tolist()).items()):
            yield self._row("neurons_by_labels_served", count, flags={"labels_served": times})
        yield self._row("focused_neurons", int((self.sets.times == 1).sum()))
        yield self._row("several_labels_neurons", int((self.sets.times > 1).sum()))

    def figures(self) -> Iterator[Figure]:
        """Label × layer and label × label; of many labels those with most units."""
        chosen = sorted(sorted(range(len(self.support)), key=lambda i: -self.support[i])[:FEW_LABELS])
        names = tuple(self.trained.labels[i] for i in chosen)
        few = "" if len(chosen) == len(self.support) else f" (the {FEW_LABELS} labels with most units)"
        table = self.trained.table
        layers = tuple(
            layer_name({"role": one.role, "site": one.site, "layer": one.layer}) for one in table.segments
        )  # fmt: skip
        own = [table.counts(self.sets.neurons[self.sets.served[i]]).tolist() for i in chosen]
        yield _cells(
            "label_by_layer", f"Salient neurons of each label{few}", "layer (0 = embeddings)", layers, names, own
        )
        shared = self.sets.shared[chosen][:, chosen].tolist()
        title = f"Neurons that labels share; a label's own on the diagonal{few}"
        yield _cells("label_by_label", title, "label", names, names, shared)

    def _dominant(self, name: str, own: Neurons, about: dict[str, Any]) -> Row:
        """The layer with most of a label's neurons, over roles; ties go to the lowest and are marked."""
        counts: Counter[tuple[str, int]] = Counter()
        for segment, count in zip(self.trained.table.segments, self.trained.table.counts(own).tolist(), strict=True):
            counts[segment.site, segment.layer] += count
        most = max(counts.values())
        site, layer = min((one for one in counts if counts[one] == most), key=lambda one: one[1])
        if not most:
            return self._row("dominant_layer_neurons", 0, label=name, flags=about)
        tied = {"tied": True} if list(counts.values()).count(most) > 1 else {}
        flags = {**about, "of": len(own), **tied}
        return self._row("dominant_layer_neurons", most, label=name, site=site, layer=layer, flags=flags)

    def _row(self, metric: str, value: int, flags: Mapping[str, Any] | None = None, **where: Any) -> Row:
        k = len(self.sets.neurons)
        return Row(
            "spread", metric, float(value), ranking=self.trained.primary, set="top", k=k,
            share=k / len(self.trained.table), flags={**self.flags, **(flags or {})}, **self.trained.about(), **where,
        )  # fmt: skip
