"""Joined jobs for a spreadsheet: jobs.csv has a line for each job, failed ones too; rows.csv all rows of all jobs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neuronprobe.report.jobs import JoinedJob
from neuronprobe.report.lookup import metric_of, rankings
from neuronprobe.studies.cells import first

FIXED = ("model", "property", "corpus", "seed", "l1", "l2", "ranking")
"""Columns of every jobs.csv, whatever varied."""


def write_lines(folder: Path, jobs: Sequence[JoinedJob], keys: Sequence[str]) -> None:
    """Write both files; `keys` are the overrides that varied."""
    _write_csv(folder / "jobs.csv", [_line(job, keys) for job in jobs])
    _write_csv(folder / "rows.csv", [{"job": job.name, **row} for job in jobs for row in job.rows])


def _line(job: JoinedJob, keys: Sequence[str]) -> dict[str, Any]:
    """A job in jobs.csv: settings, every override that varied, headline numbers, how it ended."""
    oracle = first(job.rows, study="oracle") or {}
    fixed = {"l1": oracle.get("l1"), "l2": oracle.get("l2"), "ranking": next(iter(rankings(job.rows)), "")}
    settings = {key: fixed[key] if key in fixed else job.setting(key) for key in FIXED}
    about = {"solver": oracle.get("solver"), "metric": metric_of(job.config)}
    own = {key: job.setting(key) for key in keys if key not in (*settings, "job")}
    ended = {"verdict": " ".join(job.results.get("beaten") or []), "status": job.status, "error": job.error}
    seconds = round(sum((job.results.get("seconds") or {}).values()), 1)
    return {"job": job.name, **settings, **about, **own, **job.headline, "seconds": seconds, **ended}


def _write_csv(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(column for line in lines for column in line))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
