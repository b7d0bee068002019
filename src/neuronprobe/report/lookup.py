"""The headline numbers of a job, found among its rows: summary, joined table, verdict and papers read these alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neuronprobe.studies.cells import BASELINES, PlainRow, find, first, percent
from neuronprobe.studies.sets import RANDOM_SETS


def rankings(rows: Iterable[PlainRow]) -> list[str]:
    """The rankings of a job, the primary one first."""
    rows = list(rows)
    order = [row["ranking"] for row in rows if row["study"] in ("ranking", "ablation") and row.get("ranking")]
    return list(dict.fromkeys([*order, *(row["ranking"] for row in rows if row.get("ranking"))]))


def of_primary(rows: Iterable[PlainRow]) -> list[PlainRow]:
    """The rows that are about the primary ranking, or about none."""
    rows = list(rows)
    primary = next(iter(rankings(rows)), None)
    return [row for row in rows if row.get("ranking") in (None, primary)]


def count(rows: Iterable[PlainRow], share: float) -> int:
    """The number of neurons that a share means in these rows; 0 where there is no oracle."""
    oracle = first(rows, study="oracle")
    return 0 if oracle is None else max(1, round(share * oracle["k"]))


def subset_row(
    rows: Iterable[PlainRow], study: str, name: str, k: int, metric: str = "accuracy", split: str = "test", **more: Any
) -> PlainRow | None:
    """The row of a set: the mean over draws for the random ones."""
    what = f"mean_{metric}" if name in RANDOM_SETS else metric
    return first(rows, study=study, set=name, k=k, split=split, metric=what, **more)


def baselines(rows: Iterable[PlainRow], split: str, metric: str) -> dict[str, PlainRow]:
    """What is predicted without neurons, by its name in words."""
    return {BASELINES[row["set"]]: row for row in find(rows, study="baseline", metric=metric, split=split)}


def metric_of(config: Mapping[str, Any]) -> str:
    """What a job goes by."""
    return str(config.get("metric") or "accuracy")


def short(row: PlainRow | None) -> str:
    """A fraction as percent with half its interval, or the deviation of one draw: `88.1 ±0.9`."""
    if row is None or row["value"] is None:
        return "-"
    around = row.get("deviation") if row.get("low") is None else (row["high"] - row["low"]) / 2
    text = percent({**row, "low": None})
    return text if around is None else f"{text} ±{100 * around:.1f}"
