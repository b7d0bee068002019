"""Two runs on the same test sentences, compared pairwise: which probe is better, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Column
from rich.table import Table as Grid
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.jobs import Job
from neuronprobe.report.figures import draw
from neuronprobe.report.formats import html
from neuronprobe.report.lookup import metric_of, rankings
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import metric_name
from neuronprobe.studies.intervals import Bootstrap, difference_spreads, over_draws
from neuronprobe.targets import FIRST
from neuronprobe.writing import write_bytes

CONTROL = "selectivity/control-"
"""What the names of a control task's probes begin with."""
SEED = 0
MOST_DRAWN = 40
"""Probes in a picture, at most."""


@dataclass(frozen=True)
class Difference:
    """Accuracy (of values R²) on test of one probe in both jobs (the mean over its draws), and first − second.

    `draws` of both jobs, where there are any; without interval where there is but one.
    """

    probe: str
    first: float
    second: float
    value: float
    ends: tuple[float, float] | None
    draws: tuple[int, int] | None = None


def compare(first: Path, second: Path, console: Console, page: Path | None = None) -> list[Difference]:
    """Print first − second for each probe that both jobs have, paired over test sentences, and return it.

    With `page` the same is written there as HTML, its picture beside it. Raises InputError where a job's predictions
    can't be read or the jobs have other test sentences.
    """
    one, other = Job(first).correct, Job(second).correct
    what, their = Job(first).denominator, Job(second).denominator
    _same_sentences(first, second, one[what], other[their])
    bootstrap = Bootstrap(one[what], SEED)
    shared = [name for name in one if name in other and name != what and one[name].ndim == other[name].ndim]
    seeds = [_setting(job, "config").get("seed") for job in (first, second)]
    controls = [name for name in shared if name.startswith(CONTROL)] if seeds[0] != seeds[1] else []
    shared = [name for name in shared if name not in controls]
    if not shared:
        raise InputError(f"the jobs must have a probe in common, got none in {str(first)!r} and {str(second)!r}.")
    found = [difference(name, one[name], other[name], one[what], bootstrap) for name in shared]
    primary = [next(iter(rankings(_rows(job))), None) for job in (first, second)]
    if primary[0] != primary[1] and None not in primary:
        pairs = [
            (name, name.replace(f"/{primary[0]}/", f"/{primary[1]}/")) for name in one if f"/{primary[0]}/" in name
        ]
        found = [
            difference(f"{name} − {primary[1]}'s", one[name], other[twin], one[what], bootstrap)
            for name, twin in pairs if twin in other and one[name].ndim == other[twin].ndim
        ] + found  # fmt: skip
        console.print(f"The primary rankings differ ({primary[0]}, {primary[1]}): their sets stand first.")
    table = _table(found, metric_name(FIRST[what]))
    _show(table, first, second, console)
    if page is not None:
        figure, jobs = _figure(found, page.stem), f"first: {first}, second: {second}"
        draw(figure, page.parent)
        write_bytes(page, html("Two jobs compared", [table], [figure], remarks=[jobs]).encode())
        console.print(f"report: {page.resolve().as_uri()}", soft_wrap=True)
    if any(metric_of(_setting(job, "config")) == "macro_f1" for job in (first, second)):
        console.print("A job goes by macro-F1; compared is accuracy alone, which predictions.npz holds.")
    alone = len((set(one) ^ set(other)) - {what})
    if alone:
        console.print(f"{alone} probes are in one job only and left out.")
    if controls:
        console.print(
            f"{len(controls)} control accuracies are left out: control tasks of seeds {seeds[0]} and {seeds[1]} "
            "have other labels; compare jobs of one seed."
        )
    return found


def _same_sentences(first: Path, second: Path, one: Tensor, other: Tensor) -> None:
    if len(one) != len(other) or not torch.equal(one, other):
        raise InputError(
            "the jobs must have the same test sentences with the same units, got "
            f"{len(one):,} sentences with {int(one.sum()):,} units in {str(first)!r} and {len(other):,} with "
            f"{int(other.sum()):,} in {str(second)!r}; compare jobs of one corpus and split."
        )
    forms = [_forms(job) for job in (first, second)]
    if None not in forms and forms[0] != forms[1]:
        raise InputError(
            f"the jobs must have the same test sentences, got other words in {str(first)!r} than in {str(second)!r}; "
            "compare jobs of one corpus and split."
        )


def _forms(job: Path) -> Any:
    """The digest of the test words, where the job says so."""
    test = _setting(job, "fingerprint").get("test")
    return test.get("forms") if isinstance(test, dict) else None


def _rows(job: Path) -> list[Any]:
    return Job(job).rows if (job / "results.json").is_file() else []


def _setting(job: Path, name: str) -> dict[str, Any]:
    """One part of a job's results; empty where it has none."""
    found = Job(job).results.get(name) if (job / "results.json").is_file() else None
    return found if isinstance(found, dict) else {}


def difference(name: str, ours: Tensor, theirs: Tensor, units: Tensor, bootstrap: Bootstrap) -> Difference:
    """Paired over sentences; over draws by pairs where both have as many."""
    is_drawn = ours.ndim == 2
    first, second = (torch.atleast_2d(counts).double() for counts in (ours, theirs))
    one, other = (counts.sum(1) / units.sum() for counts in (first, second))
    value = float(one.mean() - other.mean())
    low, high = bootstrap.ends((first.mean(0) - second.mean(0))[None])[0].tolist()
    ends = over_draws((low, high), value, difference_spreads(one, other) if is_drawn else [])
    draws = (len(one), len(other)) if is_drawn else None
    return Difference(name, float(one.mean()), float(other.mean()), value, ends, draws)


def _table(found: Sequence[Difference], metric: str) -> Table:
    body = []
    for one in found:
        ends = "" if one.ends is None else f" [{100 * one.ends[0]:+.1f}, {100 * one.ends[1]:+.1f}]"
        apart = "" if one.ends is None or one.ends[0] <= 0 <= one.ends[1] else "apart"
        draws = "" if one.draws is None else f" ({' and '.join(map(str, dict.fromkeys(one.draws)))} draws)"
        name = one.probe.replace(CONTROL, "control task, ")
        numbers = f"{100 * one.first:.1f}", f"{100 * one.second:.1f}", f"{100 * one.value:+.1f}{ends}"
        body.append((name + draws, *numbers, apart))
    header = ("probe", "first", "second", "first − second, points [95 %]", "")
    note = (
        "Paired over test sentences; drawn sets and control tasks are the mean of their draws, whose spread is in the "
        "interval; apart: the interval leaves 0 out."
    )
    return Table(f"{metric} on test, %", header, tuple(body), (note,))


def _figure(found: Sequence[Difference], name: str) -> Figure:
    """The differences of the oracle and of the top sets."""
    own = [one for one in found if one.probe == "oracle" or "/top-" in one.probe][:MOST_DRAWN]
    low, high = (tuple(None if one.ends is None else 100 * one.ends[i] for one in own) for i in (0, 1))
    bars = Series("first − second", tuple(one.probe for one in own), tuple(100 * one.value for one in own), low, high,
                  mark="bar")  # fmt: skip
    return Figure(name, "First − second, with 95 % intervals", "probe", "points on test", (bars,))


def _show(table: Table, first: Path, second: Path, console: Console) -> None:
    probe, *rest = table.header
    grid = Grid(Column(probe, overflow="fold"), *rest, title=table.heading)
    for line in table.body:
        grid.add_row(*line)
    console.print(f"first: {first}\nsecond: {second}", soft_wrap=True)
    console.print(grid, *table.notes, sep="\n")
