"""What a λ search shows of its grid: a table, heat maps over λ1 and λ2, curves, and what S could not tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, find, first, metric_name, percent, plain
from neuronprobe.studies.lambda_path import path_figures
from neuronprobe.types import Result, Row

REACHED = ("objective", "kkt_residual", "exact_zeros")
"""How far training came: objective on train, largest violation of the optimum's conditions, share of zero weights."""
CHOSEN_BY = {
    "score": "S",
    "retrained_score": "S of retrained probes",
    "dev": "dev",
    "stability": "stability",
}


def grid_result(rows: Sequence[Row]) -> Result:
    """The rows of a search with what the page shows of them."""
    found = plain(rows)
    remarks = tuple(remark for remark in (single_pair(found), whole_probes(found)) if remark)
    return Result(tuple(rows), {}, (_table(found),), (*_figures(found), *path_figures(found)), remarks)


def chosen_text(rows: Sequence[PlainRow]) -> str:
    """The chosen λ, by what it was chosen, and what was given up for it."""
    row = next((row for row in rows if row["study"] == "lambda_search" and row["metric"].endswith("_given_up")), None)
    if row is None:
        return "-"
    metric = metric_name(row["metric"].removesuffix("_given_up"))
    given_up = f"gave up {100 * row['value']:.1f} points of {metric} on dev"
    return f"{row['l1']:.3g}, {row['l2']:g} by {CHOSEN_BY.get(row['by'], row['by'])} ({given_up})"


def single_pair(rows: Sequence[PlainRow]) -> str:
    """A remark where there was nothing to choose; else empty."""
    row = next((row for row in rows if row.get("n_pairs") == 1), None)
    if row is None:
        return ""
    return (
        f"λ was given as one pair: search by {CHOSEN_BY.get(row['by'], row['by'])} had no choice. Rather than a sweep "
        f"over λ, give a list (probe.l1=[0,{row['l1'] or 0.001:g}]): one bank trains all pairs, and the best is chosen."
    )


def whole_probes(rows: Sequence[PlainRow]) -> str:
    """A remark where S compared whole probes with their biases; else empty."""
    scores = find(rows, study="lambda_search", metric="score")
    whole = [row for row in scores if row.get("top_is_whole_probe")]
    if not whole or whole[0]["by"] not in ("score", "retrained_score"):
        return ""
    return (
        f"for {len(whole)} of {len(scores)} λ the probe has no more neurons than the top of the score S: its top is "
        "the whole probe and its bottom the bias, so that S orders these by what all neurons give."
    )


def how_searched(rows: Sequence[PlainRow]) -> str:
    """What the score S kept or retrained."""
    (score, *_) = find(rows, study="lambda_search", metric="score")
    how = "are retrained" if score["mode"] == "retrained" else "are kept in the trained probe, the rest zero"
    return f"In S, top and bottom {how}; on dev. Columns are {metric_name(score['of_metric'])}, %."


def _table(rows: Sequence[PlainRow]) -> Table:
    body, overlaps = [], find(rows, metric="overlap")
    for score in find(rows, metric="score"):
        own = find(rows, l1=score["l1"], l2=score["l2"])
        by = find(own, metric=score["of_metric"])
        cells = [first(by, set="all", split="dev"), first(by, set="top"), first(by, set="bottom"),
                 first(by, set="all", split="test")]  # fmt: skip
        reached = (first(own, metric=metric) for metric in REACHED)
        body.append((
            f"{score['l1']:.3g}", f"{score['l2']:g}", *map(percent, cells),
            f"{score['value']:.3f}{' ← chosen' if score['chosen'] else ''}", f"{score['earned']:,}",
            *([percent(first(overlaps, l1=score["l1"], l2=score["l2"]))] if overlaps else []),
            *("-" if row is None else f"{row['value']:.2g}" for row in reached),
        ))  # fmt: skip
    shared = [f"resamples share of the top {overlaps[0]['share']:.0%}"] if overlaps else []
    ends = ("S", "earned neurons", *shared, *(metric.replace("_", " ") for metric in REACHED))
    header = ("λ1", "λ2", "all (dev)", "top (dev)", "bottom (dev)", "all (test)", *ends)
    return Table(f"λ search: λ1, λ2 = {chosen_text(rows)}", header, tuple(body), (how_searched(rows),), on_screen=False)


def _figures(rows: Sequence[PlainRow]) -> Iterator[Figure]:
    scores = find(rows, metric="score")
    metric = scores[0]["of_metric"]
    yield _map(scores, "lambda_grid", "Score S of each λ on dev", "score S", 1)
    whole = find(rows, metric=metric, set="all", split="dev")
    name = f"{metric_name(metric)}, %"
    yield _map(whole, "lambda_grid_all_neurons", f"All neurons: {metric_name(metric)} of each λ on dev", name, 100)


def _map(found: Sequence[PlainRow], name: str, title: str, value: str, unit: int) -> Figure:
    """A cell for each pair; `unit` times the value stands in it."""
    l1, l2 = (sorted({row[key] for row in found}) for key in ("l1", "l2"))
    at = {(row["l1"], row["l2"]): row for row in found}
    series = []
    for second in reversed(l2):
        cells = [at.get((one, second)) for one in l1]
        y = tuple(None if row is None else unit * row["value"] for row in cells)
        flagged = tuple(bool(row and row["chosen"]) for row in cells)
        series.append(Series(f"{second:g}", tuple(f"{one:.3g}" for one in l1), y, flagged=flagged, mark="cell"))
    return Figure(name, title, "λ1", "λ2", tuple(series), value, note="Framed: the chosen pair.")
