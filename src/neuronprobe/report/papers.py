"""The papers' figures beside a job's: EMNLP 2020 tables 1-3, JMLR 2023 tables 2-3, AAAI 2019 tables 2 and 4.

Each line of papers.csv says, with the names of a result's rows, which number of which model a table gives.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from importlib.resources import files

from neuronprobe.report.lookup import PlainRow, find, first, percent

TASKS = {"xpos": "POS", "upos": "POS", "sem": "SEM", "chunk": "Chunk", "ccg": "CCG"}
"""What the papers call a property."""
NAMES = {"selectivity": "selectivity", "neurons": "neurons", "share": "share of the neurons"}


def paper_lines(paper: str, prop: str) -> list[dict[str, str]]:
    """The lines of one table for the task that a property is; none where the paper does not have it."""
    text = (files("neuronprobe.report") / "papers.csv").read_text(encoding="utf-8")
    return [
        line for line in csv.DictReader(text.splitlines()) if (line["paper"], line["task"]) == (paper, TASKS.get(prop))
    ]


def beside_paper(rows: Sequence[PlainRow], paper: str, prop: str) -> Iterator[list[str]]:
    """A table: header, then for each quantity ours and each model's of the paper; nothing where the paper has none."""
    lines = paper_lines(paper, prop)
    models = list(dict.fromkeys(line["model"] for line in lines))
    quantities = list(dict.fromkeys(_quantity(line) for line in lines))
    if lines:
        yield ["", "ours", *models]
    for quantity in quantities:
        theirs = {line["model"]: line for line in lines if _quantity(line) == quantity}
        ours = _shown(quantity[-1], _ours(rows, theirs[next(iter(theirs))]))
        yield [_name(quantity), ours, *(_published(theirs[m]) if m in theirs else "-" for m in models)]


def _quantity(line: dict[str, str]) -> tuple[str, ...]:
    share = "" if line["metric"] == "neurons" else line["share"]
    return line["study"], line["set"], share, line["tolerance"], line["metric"]


def _name(quantity: tuple[str, ...]) -> str:
    study, which, share, tolerance, metric = quantity
    size = f" {float(share):.0%}" if share else f", tolerance {tolerance}" if tolerance else ""
    what = "" if metric == "accuracy" else f", {NAMES[metric]}"
    return f"{study.replace('_', ' ')}: {which}{size}{what}"


def _published(line: dict[str, str]) -> str:
    return f"{float(line['value']):,.0f}" if line["metric"] == "neurons" else f"{100 * float(line['value']):.1f}"


def _ours(rows: Sequence[PlainRow], line: dict[str, str]) -> PlainRow | None:
    metric = "neurons" if line["metric"] == "share" else line["metric"]
    if line["set"] == "random" and metric == "accuracy":
        metric = "mean_accuracy"
    found = find(rows, study=line["study"], set=line["set"], metric=metric)
    found = [row for row in found if row["split"] == ("dev" if metric == "neurons" else "test")]
    if line["tolerance"]:
        found = [row for row in found if row.get("tolerance") == float(line["tolerance"])]
    elif line["share"]:
        found = [row for row in found if abs(row["share"] - float(line["share"])) < 0.005]
    return first(found)


def _shown(metric: str, row: PlainRow | None) -> str:
    if row is None or row["value"] is None:
        return "-"
    if metric == "neurons":
        return f"{row['value']:,.0f} ({row['share']:.0%})"
    return f"{100 * row['share']:.1f}" if metric == "share" else percent(row)
