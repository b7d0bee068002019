"""Joins the results of many jobs: one line per job on screen, all rows in one CSV file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from neuronprobe.errors import InputError
from neuronprobe.jobs.files import read_results
from neuronprobe.report.lookup import count, metric_of, of_primary, rankings, subset_row
from neuronprobe.studies.cells import find, first, metric_name, percent


def join(folder: Path, console: Console) -> Path:
    """Print the jobs below `folder` and write `jobs.csv` there. Raises InputError where there is none."""
    paths = sorted(folder.rglob("results.json"))
    if not paths:
        raise InputError(
            f"DIR must be a folder with results.json somewhere below, got {str(folder)!r}, which has none."
        )
    jobs = [(path.parent.relative_to(folder), read_results(path)) for path in paths]
    table = Table(Column("job", overflow="fold"), "corpus", "property", "model", "ranking", "seed", "solver", "metric",
                  "oracle", "top 10 %", "random 10 %", "stable 5 %", "seconds", "status")  # fmt: skip
    for name, results in jobs:
        names = [_name(results["config"], key) for key in ("corpus", "property", "model")]
        about = [next(iter(rankings(results["rows"])), "-"), str(results["config"].get("seed", "-"))]
        table.add_row(str(name), *names, *about, *_figures(results), results["status"])
    console.print(table)
    console.print("kept in the trained probe, the rest zero: 10 %; stable: what two resamples share of their top 5 %.")
    return _write_rows(folder / "jobs.csv", [(str(name), results) for name, results in jobs], console)


def _figures(results: dict[str, Any]) -> list[str]:
    rows = of_primary(results["rows"])
    metric = metric_of(results["config"])
    oracle, k = first(rows, study="oracle", metric=metric, split="test"), count(rows, 0.1)
    overlaps = find(rows, study="stability", metric="overlap", set="top", over="resamples")
    stable = [row for row in overlaps if abs(row["share"] - 0.05) < 0.003]
    kept = [percent(subset_row(rows, "ablation", which, k, metric)) for which in ("top", "random")]
    seconds = sum((results.get("seconds") or {}).values())
    about = [oracle["solver"] if oracle else "-", metric_name(metric)]
    return [*about, percent(oracle), *kept, percent(stable[0] if stable else None),
            f"{seconds:.0f}"]  # fmt: skip


def _name(config: dict[str, Any], group: str) -> str:
    settings = config.get(group)
    if not isinstance(settings, dict):
        return str(settings or "")
    return str(settings.get("name") or settings.get("_target_", "").rpartition(".")[2])


def _write_rows(path: Path, jobs: list[tuple[str, dict[str, Any]]], console: Console) -> Path:
    rows = [{"job": name, **row} for name, results in jobs for row in results["rows"]]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    console.print(f"{len(rows):,} rows of {len(jobs)} jobs: {path}", soft_wrap=True)
    return path
