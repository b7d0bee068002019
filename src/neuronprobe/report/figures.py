"""Two pictures of a job: where the salient neurons lie, and what accuracy costs in neurons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from neuronprobe.report.lookup import PlainRow, find, first, n_neurons, sizes
from neuronprobe.report.summary import subset_row

mpl.use("Agg")
STYLE = {
    "top": ("#0b5fa5", "o", "top"),
    "random": ("#5f6368", "s", "random (mean and range of draws)"),
    "layer_matched": ("#9aa0a6", "D", "random, same layers"),
    "bottom": ("#c4501b", "v", "bottom"),
}


def draw_layers(rows: Sequence[PlainRow], path: Path) -> None:
    """Bars: salient neurons of each layer."""
    from matplotlib import pyplot as plt

    found = find(rows, study="ranking", metric="salient_neurons")
    labels = [f"{row['layer']}" if not row.get("role") else f"{row['role']} {row['layer']}" for row in found]
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    bars = axes.bar(range(len(labels)), [row["value"] for row in found], color=STYLE["top"][0])
    axes.set_xticks(range(len(labels)), labels)
    axes.bar_label(bars, fmt="{:.0f}", fontsize=8)
    share = found[0]["share"] if found else 0
    axes.set(
        xlabel="layer (0 = embeddings)", ylabel="salient neurons", title=f"Where the top {share:.0%} of the neurons lie"
    )
    _save(figure, axes, path)


def draw_accuracy(rows: Sequence[PlainRow], path: Path) -> None:
    """Lines: test accuracy against neurons kept for top, random and bottom; ablated beside retrained."""
    from matplotlib import pyplot as plt

    figure, both = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for axes, study, title in zip(
        both, ("ablation", "retraining"), ("kept in the trained probe", "retrained"), strict=True
    ):
        for name in STYLE:
            _line(axes, rows, study, name)
        _reference(axes, rows)
        axes.set(xlabel="neurons kept, % (log scale)", xscale="log", title=title, ylim=(0, 1))
        ticks = sorted({100 * k / (n_neurons(rows) or k) for k in sizes(rows, study)})
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes.minorticks_off()
        _plain(axes)
    both[0].set_ylabel("accuracy on test")
    both[1].legend(*both[0].get_legend_handles_labels(), fontsize=7, frameon=False, loc="lower right")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _line(axes: Any, rows: Sequence[PlainRow], study: str, name: str) -> None:
    total = n_neurons(rows) or 1
    found_rows = [(k, subset_row(rows, study, name, k)) for k in sizes(rows, study)]
    points = [(100 * k / total, row["value"]) for k, row in found_rows if row is not None]
    if not points:
        return
    color, marker, label = STYLE[name]
    axes.plot(*zip(*points, strict=True), color=color, marker=marker, markersize=4, linewidth=1.6, label=label)
    if name == "random":
        draws = [find(rows, study=study, set=name, k=k, split="test", metric="accuracy") for k in sizes(rows, study)]
        low, high = ([pick(row["value"] for row in found) for found in draws] for pick in (min, max))
        axes.fill_between([x for x, _ in points], low, high, color=color, alpha=0.2, linewidth=0)


def _reference(axes: Any, rows: Sequence[PlainRow]) -> None:
    oracle = first(rows, study="oracle", metric="accuracy", split="test")
    majority = first(rows, study="baseline", set="majority", split="test")
    for row, style, label in ((oracle, "--", "oracle"), (majority, ":", "most frequent label")):
        if row is not None:
            axes.axhline(row["value"], color="black", linestyle=style, linewidth=0.9, label=label)


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)


def _save(figure: Any, axes: Any, path: Path) -> None:
    from matplotlib import pyplot as plt

    _plain(axes)
    figure.savefig(path, dpi=150)
    plt.close(figure)
