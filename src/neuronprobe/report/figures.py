"""Figures as pictures: curves with bands, bars, and heat maps, whatever study they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.patches
import numpy as np

from neuronprobe.types import Figure, Series

mpl.use("Agg")
COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
"""Okabe and Ito's, which people with any colour vision tell apart."""
SHAPES = ("o", "s", "D", "v", "^", "P", "X")
LEVELS = ("--", ":", "-.")
CROWDED = 16
"""More names than these on an axis stand upright."""
LEGIBLE = 400
"""Cells of a heat map that have their numbers in them, at most."""


def draw(figure: Figure, path: Path) -> None:
    """A PNG of the figure."""
    from matplotlib import pyplot as plt

    canvas, axes = plt.subplots(figsize=_size(figure), layout="constrained")
    (_heat_map if figure.is_map else _curves)(figure, canvas, axes)
    axes.set(xlabel=figure.x, ylabel=figure.y)
    axes.set_title(figure.title, fontsize=10, wrap=True)
    if figure.note:
        canvas.supxlabel(figure.note, fontsize=8)
    canvas.savefig(path, dpi=150)
    plt.close(canvas)


def _size(figure: Figure) -> tuple[float, float]:
    """In inches: a heat map grows with its rows and columns."""
    if not figure.is_map:
        return 7.5, 3.8
    return min(16, 3.5 + 0.45 * len(figure.series[0].x)), min(16, 1.6 + 0.28 * len(figure.series))


def _curves(figure: Figure, canvas: Any, axes: Any) -> None:
    for i, series in enumerate(figure.series):
        _DRAWN[series.mark](axes, series, i)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
    axes.set(ylim=figure.limits)
    lines = [series for series in figure.series if series.x]
    if figure.log:
        ticks = sorted({x for series in lines for x in series.x if isinstance(x, int | float)})
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes.minorticks_off()
    elif lines and isinstance(lines[0].x[0], str):
        _names(axes.xaxis, lines[0].x)
    if len(figure.series) > 1:
        canvas.legend(fontsize=8, frameon=False, loc="outside right center")


def _line(axes: Any, series: Series, i: int) -> None:
    color, shape = COLORS[i % len(COLORS)], SHAPES[i % len(SHAPES)]
    y = [np.nan if value is None else value for value in series.y]
    axes.plot(series.x, y, color=color, marker=shape, markersize=4, linewidth=1.6, label=series.name)
    hollow = [(x, value) for x, value, flag in zip(series.x, y, series.flagged, strict=False) if flag]
    if hollow:
        axes.plot(*zip(*hollow, strict=True), color=color, marker=shape, markersize=5, linestyle="", mfc="white")
    if any(end is not None for end in series.low):
        low, high = (np.array(ends, dtype=float) for ends in (series.low, series.high))
        axes.fill_between(series.x, low, high, color=color, alpha=0.18, linewidth=0)


def _level(axes: Any, series: Series, i: int) -> None:
    axes.axhline(series.y[0], color="black", linestyle=LEVELS[i % len(LEVELS)], linewidth=0.9, label=series.name)


def _bars(axes: Any, series: Series, i: int) -> None:
    bars = axes.bar(range(len(series.x)), series.y, color=COLORS[i % len(COLORS)], label=series.name)
    axes.bar_label(bars, fmt="{:.0f}", fontsize=8)
    _names(axes.xaxis, series.x)


_DRAWN = {"line": _line, "level": _level, "bar": _bars}


def _heat_map(figure: Figure, canvas: Any, axes: Any) -> None:
    rows, columns = figure.series, figure.series[0].x
    cells = np.array([[np.nan if y is None else y for y in series.y] for series in rows], dtype=float)
    shown = axes.imshow(cells, cmap="cividis", aspect="auto")
    canvas.colorbar(shown, label=figure.value)
    middle = np.nanmean([np.nanmin(cells), np.nanmax(cells)])
    for y, x in np.argwhere(np.isfinite(cells)) if cells.size <= LEGIBLE else ():
        color = "white" if cells[y, x] < middle else "black"
        axes.text(x, y, f"{cells[y, x]:.3g}", ha="center", va="center", fontsize=7, color=color)
    for y, series in enumerate(rows):
        for x in np.flatnonzero(series.flagged):
            axes.add_patch(mpl.patches.Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=COLORS[3], lw=2.5))
    _names(axes.xaxis, columns)
    axes.set_yticks(range(len(rows)), [series.name for series in rows], fontsize=7)


def _names(axis: Any, names: tuple[Any, ...]) -> None:
    crowded = len(names) > CROWDED or any(" " in str(name) for name in names)
    axis.set_ticks(range(len(names)), [str(name) for name in names], rotation=90 if crowded else 0,
                   fontsize=7 if crowded else 8)  # fmt: skip
