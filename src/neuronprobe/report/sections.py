"""The tables of a page that only some jobs have: one for each study that ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from neuronprobe.report.lookup import PlainRow, find, first, percent
from neuronprobe.report.papers import beside_paper


class Section(NamedTuple):
    """A heading and a table."""

    heading: str
    header: Sequence[str]
    body: Sequence[Sequence[str]]


def sections(rows: Sequence[PlainRow], config: Mapping[str, Any]) -> Iterator[Section]:
    """The sections of the studies that these rows hold."""
    found = [_minimal_set(rows), _selectivity(rows), _beside_paper(rows, config)]
    yield from (section for section in found if section.body)


def _minimal_set(rows: Sequence[PlainRow]) -> Section:
    body = []
    for row in find(rows, study="minimal_set", metric="neurons"):
        tolerance = {"tolerance": row["tolerance"], "split": "test"}
        if row["value"] is None:
            lost = f"none: the best set loses {100 * row['least_lost']:.1f} points on dev"
            body.append([f"{row['tolerance']:g}", lost, "-", "-", "-"])
            continue
        cells = [
            first(rows, study="minimal_set", set="top", metric="accuracy", **tolerance),
            first(rows, study="redundancy", set="random", metric="mean_accuracy", **tolerance),
            first(rows, study="redundancy", set="bottom", metric="accuracy", **tolerance),
        ]
        size = f"{row['value']:,.0f} ({100 * row['share']:.3g} %)"
        body.append([f"{row['tolerance']:g}", size, *map(percent, cells)])
    heading = "Minimal neuron sets: the smallest top set within the tolerance of the oracle on dev, retrained"
    return Section(heading, ("tolerance", "neurons", "top (test)", "random (test)", "bottom (test)"), body)


def _selectivity(rows: Sequence[PlainRow]) -> Section:
    body = []
    for row in find(rows, study="selectivity", metric="selectivity", split="test"):
        place = {"study": "selectivity", "split": "test", "set": row["set"], "tolerance": row.get("tolerance")}
        control = first(rows, metric="mean_accuracy", **place)
        size = "all" if row["set"] == "all" else f"minimal set, tolerance {row['tolerance']:g}"
        body.append([size, f"{row['k']:,}" if row["k"] else "-", percent(control), percent(row)])
    heading = "Selectivity: accuracy − accuracy on a control task that only memory solves, on test"
    return Section(heading, ("neurons", "count", "control task", "selectivity"), body)


def _beside_paper(rows: Sequence[PlainRow], config: Mapping[str, Any]) -> Section:
    paper, prop = config.get("paper"), (config.get("property") or {}).get("name")
    header, *body = [*beside_paper(rows, str(paper), str(prop))] or [[]]
    return Section(f"Beside the paper ({paper}; its own models and corpora)", header, body)
