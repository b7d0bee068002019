"""Joins the results of many jobs: one line per job on screen, all rows in one CSV file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from neuronprobe.errors import InputError
from neuronprobe.report.lookup import count, first, percent
from neuronprobe.report.results import read_results
from neuronprobe.report.summary import subset_row


def join(folder: Path, console: Console) -> Path:
    """Print the jobs below `folder` and write `jobs.csv` there. Raises InputError where there is none."""
    paths = sorted(folder.rglob("results.json"))
    if not paths:
        raise InputError(
            f"DIR must be a folder with results.json somewhere below, got {str(folder)!r}, which has none."
        )
    jobs = [(path.parent.relative_to(folder), read_results(path)) for path in paths]
    table = Table("job", "corpus", "property", "model", "oracle", "top 10 %", "random 10 %", "status")
    for name, results in jobs:
        rows, config = results["rows"], results["config"]
        k = count(rows, 0.1)
        cells = [percent(first(rows, study="oracle", metric="accuracy", split="test"))]
        cells += [percent(subset_row(rows, "ablation", which, k)) for which in ("top", "random")]
        table.add_row(
            str(name), *(_name(config, key) for key in ("corpus", "property", "model")), *cells, results["status"]
        )
    console.print(table)
    return _write_rows(folder / "jobs.csv", [(str(name), results) for name, results in jobs], console)


def _name(config: dict[str, Any], group: str) -> str:
    settings = config.get(group)
    if not isinstance(settings, dict):
        return str(settings or "")
    return str(settings.get("name") or settings.get("package") or settings.get("_target_", "").rpartition(".")[2])


def _write_rows(path: Path, jobs: list[tuple[str, dict[str, Any]]], console: Console) -> Path:
    rows = [{"job": name, **row} for name, results in jobs for row in results["rows"]]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    console.print(f"{len(rows):,} rows of {len(jobs)} jobs: {path}", soft_wrap=True)
    return path
