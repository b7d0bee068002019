"""Curves over λ1: accuracy, top and bottom and the score S of a grid, and what resamples share of their tops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neuronprobe.shown import Figure, Series
from neuronprobe.studies.cells import PlainRow, find, first, metric_name

FEWEST = 3
"""λ1 above 0 that make a curve."""
LAMBDA1 = "λ1 (log scale)"


def path_figures(rows: Sequence[PlainRow]) -> Iterator[Figure]:
    """Of the scores along the path of the chosen λ2, and of stability along all, where there are λ1 enough."""
    scores = [row for row in find(rows, metric="score") if row["l1"] > 0]
    chosen = first(rows, metric="score", chosen=True)
    own = [row for row in scores if chosen is not None and row["l2"] == chosen["l2"]]
    if len(own) >= FEWEST:
        yield _scores_figure(rows, own)
    overlaps = [row for row in find(rows, metric="overlap") if row["l1"] > 0]
    if len({row["l1"] for row in overlaps}) >= FEWEST:
        yield _stability_figure(overlaps)


def _scores_figure(rows: Sequence[PlainRow], scores: Sequence[PlainRow]) -> Figure:
    metric, l2 = scores[0]["of_metric"], scores[0]["l2"]
    by = find(rows, metric=metric, split="dev", l2=l2)
    wanted = {"all neurons": "all", "top": "top", "bottom": "bottom"}
    series = [_curve(name, [row for row in find(by, set=which) if row["l1"] > 0]) for name, which in wanted.items()]
    title = f"Along λ1 on dev, at λ2 {l2:g}"
    note = "S in points. Hollow: the chosen λ."
    return Figure(
        "lambda_path", title, LAMBDA1, f"{metric_name(metric)}, %", (*series, _curve("score S", scores)), log=True,
        note=note,
    )  # fmt: skip


def _stability_figure(overlaps: Sequence[PlainRow]) -> Figure:
    series = [_curve(f"λ2 {l2:g}", find(overlaps, l2=l2), True) for l2 in sorted({row["l2"] for row in overlaps})]
    chance = Series("by chance", (), (100 * overlaps[0]["chance"],), mark="level")
    title = f"What two resamples share of their top {overlaps[0]['share']:.0%} along λ1 (bands: least and most)"
    return Figure(
        "lambda_path_stability", title, LAMBDA1, "shared, %", (*series, chance), log=True, limits=(0, 100),
        note="Hollow: the chosen λ.",
    )  # fmt: skip


def _curve(name: str, rows: Sequence[PlainRow], has_band: bool = False) -> Series:
    rows = sorted(rows, key=lambda row: row["l1"])
    low, y, high = (tuple(100 * row[key] for row in rows) if has_band or key == "value" else ()
                    for key in ("low", "value", "high"))  # fmt: skip
    return Series(name, tuple(row["l1"] for row in rows), y, low, high, tuple(row["chosen"] for row in rows))
