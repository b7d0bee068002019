"""What a finished job left, as trackers show it: headline numbers, tables, pictures, files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

PlainRow = Mapping[str, Any]
FILES = ("results.json", "ranking*.csv", "probe.safetensors", "predictions.npz", "report.*")
COPIED = ("title", "status", "verdict", "beaten", "objective", "seconds", "git")
"""What a summary takes from results.json as it stands there."""
HEADLINES: Mapping[str, Mapping[str, Any]] = {
    "oracle": {"study": "oracle", "set": "all", "split": "test"},
    "selectivity": {"study": "selectivity", "metric": "selectivity", "set": "all", "split": "test"},
    "stability": {"study": "stability", "metric": "overlap", "set": "top", "over": "resamples"},
}
"""The rows that a summary names after their study; of several the one that is about 5 % of the neurons."""


@dataclass(frozen=True)
class Sheet:
    """A table of data: a name, columns, lines of numbers and text."""

    name: str
    columns: Sequence[str]
    lines: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Left:
    """A job's folder, and its results as results.json holds them."""

    folder: Path
    results: Mapping[str, Any]

    @property
    def rows(self) -> Sequence[PlainRow]:
        """All numbers."""
        return list(self.results["rows"])

    @cached_property
    def headline(self) -> dict[str, float]:
        """The few numbers that jobs are compared by: l1, l2, oracle, selectivity, stability, and `dev/score`."""
        metric = str(self.results["config"].get("metric") or "accuracy")
        scores = {"study": "oracle", "metric": metric, "set": "all"}
        rows = {name: self._first({"metric": metric, **wanted}) for name, wanted in HEADLINES.items()}
        rows["dev/score"] = self._first({**scores, "split": "dev"})
        found = {name: row["value"] for name, row in rows.items() if row and row["value"] is not None}
        oracle = rows["oracle"]
        return {**({"l1": oracle["l1"], "l2": oracle["l2"]} if oracle else {}), **found}

    @property
    def summary(self) -> dict[str, Any]:
        """The headline numbers, and what results.json says of the job, by its names."""
        return {name: self.results[name] for name in COPIED if self.results.get(name) is not None} | self.headline

    @property
    def sheets(self) -> Iterator[Sheet]:
        """The tables of its folder (rankings), its scores of sets of neurons and of labels, and its page's tables."""
        for path in sorted(self.folder.glob("*.csv")):
            yield Sheet(path.stem, *_read(path))
        scores = [row for row in self.rows if row["split"] and row["draw"] is None]
        subsets = [row for row in scores if row["set"] and row["k"] and row["label"] is None]
        labels = [row for row in scores if row["label"] is not None]
        yield from (_sheet(name, rows) for name, rows in (("subsets", subsets), ("labels", labels)) if rows)
        for table in self.results.get("tables") or ():
            yield Sheet(_short(table["heading"]), table["header"], table["body"])

    @property
    def pictures(self) -> list[Path]:
        """Its figures."""
        return sorted(self.folder.glob("*.png"))

    @property
    def files(self) -> list[Path]:
        """What is kept of it: ranking, probe, results, report."""
        return sorted({path for pattern in FILES for path in self.folder.glob(pattern)})

    def _first(self, wanted: Mapping[str, Any]) -> PlainRow | None:
        found = [row for row in self.rows if all(row.get(key) == value for key, value in wanted.items())]
        return min(found, key=lambda row: abs((row["share"] or 0) - 0.05), default=None)


def _sheet(name: str, rows: Sequence[PlainRow]) -> Sheet:
    """Rows with the columns that one of them fills."""
    columns = list(dict.fromkeys(key for row in rows for key, value in row.items() if value is not None))
    return Sheet(name, columns, [[_plain(row.get(key)) for key in columns] for row in rows])


def _plain(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _read(path: Path) -> tuple[list[str], list[list[Any]]]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    numeric = [all(_is_number(cell) for cell in column) for column in zip(*lines, strict=True)]
    return header, [
        [float(c) if is_number else c for c, is_number in zip(line, numeric, strict=True)] for line in lines
    ]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _short(heading: str) -> str:
    """A heading as the name of a file."""
    return "_".join("".join(c if c.isalnum() else " " for c in heading).split())[:100]
