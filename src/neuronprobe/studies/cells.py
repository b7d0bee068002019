"""How studies write their numbers in tables and sentences: rows found by what they say, fractions as percent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neuronprobe.types import Row

PlainRow = Mapping[str, Any]
MARKS = {
    "†": (
        "inside_first_block",
        "fewer neurons than tie at the front (of LCA each label's heaviest, the larger share of its label first).",
    ),
    "‡": (
        "not_earned",
        "reaches into neurons that the ranking did not order: they stand in a drawn order.",
    ),
}
"""Marks behind a number, the flag that asks for them, and what they mean."""
METRIC_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "span_f1": "span F1", "r2": "R²"}
BASELINES = {
    "majority": "most frequent label",
    "word_majority": "most frequent label per word type",
    "mean": "mean of train",
    "word_mean": "mean of train per word type",
}
"""What is predicted without neurons, in words."""
FILLS = {"zero": "rest zero", "mean": "rest at its mean"}
"""What the neurons of an ablated probe that are not kept are set to."""


def metric_name(metric: str) -> str:
    """What a metric is called in a sentence."""
    return METRIC_NAMES.get(metric, metric)


def plain(rows: Iterable[Row]) -> list[PlainRow]:
    """Rows as results.json has them, flags beside the rest."""
    return [row.as_dict() for row in rows]


def find(rows: Iterable[PlainRow], **wanted: Any) -> list[PlainRow]:
    """The rows that hold every wanted value."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def first(rows: Iterable[PlainRow], **wanted: Any) -> PlainRow | None:
    """The first such row, or None."""
    return next(iter(find(rows, **wanted)), None)


def percent(row: PlainRow | None) -> str:
    """A fraction as percent with its interval: `88.1 [87.2, 89.0]`."""
    if row is None or row["value"] is None:
        return "-"
    text = f"{100 * row['value']:.1f}" + "".join(mark for mark, (flag, _) in MARKS.items() if row.get(flag))
    return text if row.get("low") is None else f"{text} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def hundred(value: float | None) -> float | None:
    """A fraction as percent for a figure."""
    return None if value is None else 100 * value


def draws_text(row: PlainRow) -> str:
    """` (199)` behind a mean over so many draws."""
    return f" ({row['n_draws']})" if row.get("n_draws") and row["metric"].startswith("mean_") else ""


def notes(rows: Iterable[PlainRow]) -> tuple[str, ...]:
    """What the marks mean that these rows carry."""
    rows = list(rows)
    return tuple(f"{mark} {text}" for mark, (flag, text) in MARKS.items() if any(row.get(flag) for row in rows))


def neuron_name(row: PlainRow) -> str:
    """`(layer, index)`, with the site where it is not the residual stream and the role where units have several."""
    return f"{layer_name(row, '(')}, {row['neuron']})"


def layer_name(row: PlainRow, before: str = "") -> str:
    """The layer, with `before` at once before it, behind the role and a site other than the residual stream."""
    site = None if row.get("site") in (None, "residual") else row["site"]
    return " ".join(str(part) for part in (row.get("role"), site, f"{before}{row['layer']}") if part is not None)
