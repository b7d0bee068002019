"""Many jobs in one table: what varied, numbers over seeds, paired differences; failed and missing jobs named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any
from urllib.parse import quote

import torch
from rich.console import Console
from rich.table import Column
from rich.table import Table as Grid
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.jobs import open_job
from neuronprobe.report.compare import SEED, difference
from neuronprobe.report.figures import draw
from neuronprobe.report.formats import html, latex, markdown
from neuronprobe.report.jobs import JoinedJob, read_jobs, varied
from neuronprobe.report.lines import write_lines
from neuronprobe.report.lookup import count, metric_of, of_primary, rankings
from neuronprobe.report.papers import beside_paper
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, metric_name
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.writing import write_bytes

SHOWN = ("oracle", "top 10%", "random 10%", "stable 5%")
PAIRED = ("oracle", "top 10%")
DRAWN = ("oracle", "top 10%", "random 10%")
MOST_DRAWN = 40
"""Groups of jobs in a picture, at most."""
NOTE = (
    "Percent, mean ± deviation over seeds. oracle: all neurons; top, random: so many kept in the trained probe, the "
    "rest at zero; stable: what two resamples share of their top."
)


@dataclass(frozen=True)
class Group:
    """Jobs that differ in nothing but their seed; `values` are what varied between groups."""

    values: tuple[str, ...]
    jobs: tuple[JoinedJob, ...]

    @property
    def good(self) -> list[JoinedJob]:
        """Those whose numbers count, by seed."""
        return sorted((job for job in self.jobs if job.is_good), key=lambda job: job.setting("seed"))

    def values_of(self, name: str) -> list[float]:
        """One headline number of each, in percent."""
        return [100 * value for job in self.good if (value := job.headline[name]) is not None]


def join(folders: Sequence[Path], console: Console) -> list[str]:
    """Print the jobs below the folders, write them into the first one; a line for each results.json that was skipped.

    Raises InputError where there is no job.
    """
    jobs, skipped = read_jobs(folders)
    keys = varied(jobs)
    groups = _groups(jobs, keys)
    tables = [*_numbers(groups, keys), *_differences(groups, keys), *_papers(groups, keys), *_without(jobs, keys)]
    for table in tables:
        _print(table, console)
    write_lines(folders[0], jobs, keys)
    title = f"{len(jobs)} jobs"
    figures = list(_figures(groups, keys))
    for figure in figures:
        draw(figure, folders[0])
    page = html(title, tables, figures, links=list(_links(jobs, keys, folders[0])))
    texts = {"md": markdown(title, tables), "tex": latex(title, tables), "html": page}
    for ending, text in texts.items():
        write_bytes(folders[0] / f"jobs.{ending}", text.encode())
    console.print(
        f"{len(jobs)} jobs: {folders[0] / 'jobs.csv'}, rows.csv, jobs.md, jobs.tex, jobs.html", soft_wrap=True
    )
    console.print(f"report: {(folders[0] / 'jobs.html').resolve().as_uri()}", soft_wrap=True)
    return skipped


def _groups(jobs: Sequence[JoinedJob], keys: list[str]) -> list[Group]:
    """By what varied; by their folders too, where two jobs have the same seed and all else."""
    if len({(*map(job.setting, keys), job.setting("seed")) for job in jobs if job.is_good}) < sum(
        job.is_good for job in jobs
    ):
        keys.insert(0, "job")
    found: dict[tuple[str, ...], list[JoinedJob]] = {}
    for job in jobs:
        values = tuple(job.name if key == "job" else job.setting(key) for key in keys)
        found.setdefault(values, []).append(job)
    return [Group(values, tuple(own)) for values, own in found.items()]


def _numbers(groups: Sequence[Group], keys: Sequence[str]) -> Iterator[Table]:
    """The headline numbers, a table for each metric."""
    for metric in dict.fromkeys(metric_of(group.good[0].config) for group in groups if group.good):
        own = [group for group in groups if group.good and metric_of(group.good[0].config) == metric]
        shown = [name for name in SHOWN if any(job.headline[name] is not None for g in own for job in g.good)]
        body = tuple(
            (*map(_short, group.values), _count(group), *(_mean(group, name) for name in shown)) for group in own
        )
        yield Table(f"{metric_name(metric)} on test", (*map(_key, keys), "jobs", *shown), body, (NOTE,))


def _figures(groups: Sequence[Group], keys: Sequence[str]) -> Iterator[Figure]:
    """The headline numbers as bars, with the deviation over seeds, a figure for each metric."""
    for metric in dict.fromkeys(metric_of(group.good[0].config) for group in groups if group.good):
        own = [group for group in groups if group.good and metric_of(group.good[0].config) == metric]
        names = tuple(_named(group.values, keys) or "all" for group in own)
        bars = [_bars(name, names, [group.values_of(name) for group in own]) for name in DRAWN]
        title = f"{metric_name(metric)} on test"
        series = tuple(one for one in bars if any(y is not None for y in one.y))
        if series and 1 < len(names) <= MOST_DRAWN:
            yield Figure(f"jobs_{metric}", f"Headline numbers: {title}", "jobs", f"{title}, %", series)


def _bars(name: str, jobs: tuple[str, ...], values: Sequence[list[float]]) -> Series:
    means = [fmean(own) if own else None for own in values]
    around = [stdev(own) if len(own) > 1 else None for own in values]
    ends = [(None, None) if m is None or a is None else (m - a, m + a) for m, a in zip(means, around, strict=True)]
    return Series(name, jobs, tuple(means), tuple(low for low, _ in ends), tuple(high for _, high in ends), mark="bar")


def _links(jobs: Sequence[JoinedJob], keys: Sequence[str], top: Path) -> Iterator[tuple[str, str]]:
    """The jobs' own pages, where they have one."""
    for job in jobs:
        if (job.folder / "report.html").is_file():
            name = f"{job.name} {_settings(job, keys)}".rstrip()
            yield name, quote(os.path.relpath(job.folder / "report.html", top))


def _settings(job: JoinedJob, keys: Sequence[str]) -> str:
    """What was asked of it by name."""
    own = [key for key in (*keys, "seed") if key in job.overrides]
    return _named([*map(job.setting, own)], own)


def _count(group: Group) -> str:
    good = len(group.good)
    return str(good) if good == len(group.jobs) else f"{good} of {len(group.jobs)}"


def _mean(group: Group, name: str) -> str:
    values = group.values_of(name)
    if not values:
        return "-"
    return f"{fmean(values):.1f}" + (f" ±{stdev(values):.1f}" if len(values) > 1 else "")


def _differences(groups: Sequence[Group], keys: Sequence[str]) -> Iterator[Table]:
    """Of the groups on the same units from the first of them, paired over test sentences, and over as many seeds."""
    same: dict[Any, list[tuple[Group, dict[str, Tensor]]]] = {}
    for group in groups:
        if found := _correct(group):
            same.setdefault((group.good[0].setting("property"), _forms(group)), []).append((group, found))
    for (base, ours), *others in same.values():
        body = tuple(
            (*map(_short, group.values), *_points(found, ours)) for group, found in others
            if found["units"].shape == ours["units"].shape and torch.equal(found["units"], ours["units"])
        )  # fmt: skip
        if body:
            of = " of accuracy" if metric_of(base.good[0].config) == "macro_f1" else ""  # which units are told of
            heading = f"Difference from {_named(base.values, keys)}, points{of} [95 %]"
            yield Table(heading, (*map(_key, keys), *PAIRED), body, ("Paired over test sentences.",))


def _points(found: dict[str, Tensor], ours: dict[str, Tensor]) -> Iterator[str]:
    bootstrap = Bootstrap(found["units"], SEED)
    for name in PAIRED:
        if name in found and name in ours:
            one = difference(name, found[name], ours[name], found["units"], bootstrap)
            yield f"{100 * one.value:+.1f}" + (
                f" [{100 * one.ends[0]:+.1f}, {100 * one.ends[1]:+.1f}]" if one.ends else ""
            )
        else:
            yield "-"


def _correct(group: Group) -> dict[str, Tensor] | None:
    """Units of each test sentence, and the correct ones of its jobs, `[seed, sentence]` where it has several."""
    try:
        found = [open_job(job.folder).correct for job in group.good]
    except InputError:
        return None
    whole = open_job(group.good[0].folder).denominator if found else ""
    if not found or any(whole not in one or not torch.equal(one[whole], found[0][whole]) for one in found):
        return None
    names = [{"oracle": "oracle", "top 10%": _top(job)} for job in group.good]
    stacks = {"units": found[0][whole]}
    for name in PAIRED:
        counts = [one[own[name]] for one, own in zip(found, names, strict=True) if own[name] in one]
        if len(counts) == len(found):
            stacks[name] = torch.stack(counts) if len(counts) > 1 else counts[0]
    return stacks


def _top(job: JoinedJob) -> str:
    rows = of_primary(job.rows)
    return f"ablation/zero/{next(iter(rankings(rows)), '')}/top-{count(rows, 0.1)}"


def _forms(group: Group) -> Any:
    return (((group.good[0].results.get("fingerprint") or {}).get("test")) or {}).get("forms")


def _papers(groups: Sequence[Group], keys: Sequence[str]) -> Iterator[Table]:
    """The papers' figures beside the means over seeds, where an experiment names a table."""
    for group in groups:
        paper = next((job.config.get("paper") for job in group.good if job.config.get("paper")), None)
        if paper is not None:
            prop = group.good[0].setting("property")
            header, *body = [*beside_paper(_averaged(group), str(paper), prop)] or [[]]
            if body:
                heading = f"{_named(group.values, keys) or prop} beside {paper}"
                yield Table(heading, tuple(header), tuple(map(tuple, body)), on_screen=False)


def _averaged(group: Group) -> list[PlainRow]:
    """The rows of a group's first job with the means over its jobs, without intervals."""
    same = (
        "study",
        "metric",
        "ranking",
        "set",
        "share",
        "split",
        "layer",
        "label",
        "draw",
        "fill",
        "tolerance",
        "against",
    )

    def key(row: PlainRow) -> tuple[Any, ...]:
        sized = row.get("tolerance") is not None  # of a minimal set, whose size is what was found
        return tuple(None if sized and name == "share" else row.get(name) for name in same)

    found: dict[tuple[Any, ...], list[PlainRow]] = {}
    for job in group.good:
        for row in job.rows:
            found.setdefault(key(row), []).append(row)
    return [_mean_row(row, found[key(row)]) for row in group.good[0].rows]


def _mean_row(row: PlainRow, alike: Sequence[PlainRow]) -> PlainRow:
    """Of a minimal set there is a mean only where all jobs found one."""
    is_sized = row.get("tolerance") is not None
    means: dict[str, Any] = {}
    for name in ("value", "k", "share") if is_sized else ("value",):
        known = [own[name] for own in alike if own.get(name) is not None]
        means[name] = fmean(known) if known and (len(known) == len(alike) or not is_sized) else None
    return {**row, **means, "low": None, "high": None}


def _without(jobs: Sequence[JoinedJob], keys: Sequence[str]) -> Iterator[Table]:
    """Jobs without numbers that count, and why."""
    rest = [job for job in jobs if not job.is_good]
    if rest:
        body = tuple((job.name, _settings(job, keys), job.status, job.error) for job in rest)
        yield Table("Not in the table", ("job", "settings", "status", "why"), body)


def _print(table: Table, console: Console) -> None:
    if table.on_screen:
        grid = Grid(*(Column(name, overflow="fold") for name in table.header), title=table.heading)
        for line in table.body:
            grid.add_row(*line)
        console.print(grid, *table.notes, sep="\n", markup=False, highlight=False)


def _named(values: Sequence[str], keys: Sequence[str]) -> str:
    return " ".join(f"{_key(key)}={_short(value)}" for key, value in zip(keys, values, strict=True))


def _key(key: str) -> str:
    """The last part of a dotted name, which tells on a screen of 80 columns."""
    return key.rpartition(".")[2]


def _short(value: str) -> str:
    """A path by its last part."""
    return value.rstrip("/").rpartition("/")[2] if "/" in value else value
