"""Rows found by what they say; reports read numbers only through here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from neuronprobe.studies.sets import RANDOM_SETS

PlainRow = Mapping[str, Any]
MARKS = {
    "†": (
        "inside_first_block",
        "fewer neurons than tie at the front (of LCA each label's heaviest, the larger share of its label first).",
    ),
    "‡": (
        "not_earned",
        "reaches into neurons that the ranking did not order (zero weight): they stand in a drawn order.",
    ),
}
"""Marks behind a number, the flag that asks for them, and what they mean."""
METRIC_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "r2": "R²"}
BASELINES = {
    "majority": "most frequent label",
    "word_majority": "most frequent label per word type",
    "mean": "mean of train",
    "word_mean": "mean of train per word type",
}
FILLS = {"zero": "rest zero", "mean": "rest at its mean"}
"""What the neurons of an ablated probe that are not kept are set to."""


def find(rows: Iterable[PlainRow], **wanted: Any) -> list[PlainRow]:
    """The rows that hold every wanted value."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def first(rows: Iterable[PlainRow], **wanted: Any) -> PlainRow | None:
    """The first such row, or None."""
    return next(iter(find(rows, **wanted)), None)


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


def salient(rows: Iterable[PlainRow]) -> list[PlainRow]:
    """The first neurons of the rankings, one row each."""
    return [row for row in find(rows, study="ranking", set="top") if row.get("rank")]


def n_neurons(rows: Iterable[PlainRow]) -> int | None:
    """How many neurons the oracle has."""
    row = first(rows, study="oracle")
    return None if row is None else int(row["k"])


def count(rows: Iterable[PlainRow], share: float) -> int:
    """The number of neurons that a share means in these rows; 0 where there is no oracle."""
    total = n_neurons(rows)
    return 0 if total is None else max(1, round(share * total))


def percent(row: PlainRow | None) -> str:
    """A fraction as percent with its interval: `88.1 [87.2, 89.0]`."""
    if row is None or row["value"] is None:
        return "-"
    text = f"{100 * row['value']:.1f}" + "".join(mark for mark, (flag, _) in MARKS.items() if row.get(flag))
    return text if row.get("low") is None else f"{text} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def draws_text(row: PlainRow) -> str:
    """` (199)` behind a mean over so many draws."""
    return f" ({row['n_draws']})" if row.get("n_draws") and row["metric"].startswith("mean_") else ""


def subset_row(
    rows: Iterable[PlainRow], study: str, name: str, k: int, metric: str = "accuracy", split: str = "test", **more: Any
) -> PlainRow | None:
    """The row of a set: the mean over draws for the random ones."""
    what = f"mean_{metric}" if name in RANDOM_SETS else metric
    return first(rows, study=study, set=name, k=k, split=split, metric=what, **more)


def metric_of(config: Mapping[str, Any]) -> str:
    """What a job goes by."""
    return str(config.get("metric") or "accuracy")


def first_metric(rows: Iterable[PlainRow]) -> str:
    """What probes are customarily compared by: accuracy, or R² where the property has values."""
    return next((row["metric"] for row in rows if row["study"] == "baseline"), "accuracy")


def baselines(rows: Iterable[PlainRow], split: str, metric: str) -> dict[str, PlainRow]:
    """What is predicted without neurons, by its name in words."""
    found = find(rows, study="baseline", metric=metric, split=split)
    return {BASELINES[row["set"]]: row for row in found}


def short(row: PlainRow | None) -> str:
    """A fraction as percent with half its interval, or the deviation of its draws: `88.1 ±0.9`."""
    if row is None or row["value"] is None:
        return "-"
    around = row.get("deviation") if row.get("low") is None else (row["high"] - row["low"]) / 2
    text = percent({**row, "low": None})
    text = text if around is None else f"{text} ±{100 * around:.1f}"
    return text + draws_text(row)


def notes(rows: Iterable[PlainRow]) -> list[str]:
    """What the marks mean that these rows carry."""
    rows = list(rows)
    return [f"{mark} {text}" for mark, (flag, text) in MARKS.items() if any(row.get(flag) for row in rows)]


def sizes(rows: Iterable[PlainRow], study: str) -> list[int]:
    """The set sizes of a study, smallest first."""
    return sorted({row["k"] for row in rows if row["study"] == study})


def neuron_name(row: PlainRow) -> str:
    """`(layer, index)`, with the site where it is not the residual stream and the role where units have several."""
    return f"{layer_name(row, '(')}, {row['neuron']})"


def layer_name(row: PlainRow, before: str = "") -> str:
    """The layer, with `before` at once before it, behind the role and a site other than the residual stream."""
    site = None if row.get("site") in (None, "residual") else row["site"]
    return " ".join(str(part) for part in (row.get("role"), site, f"{before}{row['layer']}") if part is not None)
