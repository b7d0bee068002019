"""Two pictures of a job: where the salient neurons lie, and what accuracy costs in neurons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.patches

from neuronprobe.report.lookup import (
    FILLS,
    METRIC_NAMES,
    PlainRow,
    baselines,
    find,
    first,
    layer_name,
    n_neurons,
    of_primary,
    rankings,
    sizes,
    subset_row,
)

mpl.use("Agg")
STYLE = {
    "top": ("#0b5fa5", "o", "top"),
    "random": ("#5f6368", "s", "random (mean and range of draws)"),
    "layer_matched": ("#9aa0a6", "D", "random, same layers"),
    "bottom": ("#c4501b", "v", "bottom"),
}
OTHERS = (("#3c8c5a", "x"), ("#8a4fa0", "+"), ("#b8860b", "^"), ("#1b9aaa", "*"))
"""Colours and markers of the tops of other rankings."""


def draw_layers(rows: Sequence[PlainRow], path: Path) -> None:
    """Bars: salient neurons of each layer."""
    from matplotlib import pyplot as plt

    found = find(rows, study="ranking", metric="salient_neurons")
    labels = [layer_name(row) for row in found]
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    bars = axes.bar(range(len(labels)), [row["value"] for row in found], color=STYLE["top"][0])
    crowded = len(labels) > 16 or any(" " in label for label in labels)
    axes.set_xticks(range(len(labels)), labels, rotation=90 if crowded else 0, fontsize=7 if crowded else None)
    axes.bar_label(bars, fmt="{:.0f}", fontsize=8)
    share, k, earned = (found[0]["share"], found[0]["k"], found[0].get("earned", found[0]["k"])) if found else (0, 0, 0)
    title = f"Where the top {share:.0%} of the neurons lie"
    title += f" ({earned:,} of {k:,} earned)" if earned < k else ""
    axes.set(xlabel="layer (0 = embeddings)", ylabel="salient neurons", title=title)
    _save(figure, axes, path)


def draw_accuracy(rows: Sequence[PlainRow], path: Path, metric: str = "accuracy") -> None:
    """Lines: the metric on test against neurons kept, for each set; ablated with both fills, and retrained."""
    from matplotlib import pyplot as plt

    n_all = n_neurons(rows) or 1
    figure, panels = plt.subplots(1, 3, figsize=(13.5, 3.6), sharey=True, layout="constrained")
    kept: list[tuple[str, dict[str, str]]] = [(f"kept, {how}", {"fill": fill}) for fill, how in FILLS.items()]
    for axes, (title, more) in zip(panels, [*kept, ("retrained", {})], strict=True):
        study = "ablation" if more else "retraining"
        for name, (color, marker, label) in STYLE.items():
            style = (color, marker, f"top by {rankings(rows)[0]}" if name == "top" and rankings(rows) else label)
            _line(axes, of_primary(rows), study, name, metric, more, style, n_all)
        for name, (color, marker) in zip(rankings(rows)[1:], OTHERS, strict=False):
            _line(axes, find(rows, ranking=name), study, "top", metric, more, (color, marker, f"top by {name}"), n_all)
        _reference(axes, rows, metric)
        axes.set(xlabel="neurons kept, % (log scale)", xscale="log", title=title, ylim=(0, 1))
        ticks = sorted({100 * k / n_all for k in sizes(rows, study)})
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes.minorticks_off()
        _plain(axes)
    if any(row.get("not_earned") and row["study"] in ("ablation", "retraining") for row in rows):
        figure.supxlabel("hollow: sets that reach into neurons which the ranking did not order", fontsize=8)
    panels[0].set_ylabel(f"{METRIC_NAMES[metric]} on test")
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside right center")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_grid(rows: Sequence[PlainRow], path: Path) -> None:
    """Heat maps over λ1 and λ2 on dev: score and accuracy with all neurons; the chosen pair framed."""
    from matplotlib import pyplot as plt

    figure, both = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    scores = find(rows, study="lambda_search", metric="score")
    metric = scores[0].get("of_metric", "accuracy") if scores else "accuracy"
    whole = find(rows, study="lambda_search", metric=metric, set="all", split="dev")
    titles = ("score S", f"{METRIC_NAMES[metric]}, all neurons")
    for axes, found, title in zip(both, (scores, whole), titles, strict=True):
        _heat_map(axes, found, title)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _heat_map(axes: Any, found: Sequence[PlainRow], title: str) -> None:
    import numpy as np

    l1, l2 = (sorted({row[name] for row in found}) for name in ("l1", "l2"))
    cells = np.full((len(l2), len(l1)), np.nan)
    for row in found:
        cells[l2.index(row["l2"]), l1.index(row["l1"])] = row["value"]
    axes.imshow(cells, origin="lower", cmap="cividis", aspect="auto")
    middle = np.nanmean([np.nanmin(cells), np.nanmax(cells)]) if found else 0
    for row in found:
        x, y = l1.index(row["l1"]), l2.index(row["l2"])
        color = "white" if row["value"] < middle else "black"
        axes.text(x, y, f"{row['value']:.3f}".replace("0.", "."), ha="center", va="center", fontsize=7, color=color)
        if row["chosen"]:
            axes.add_patch(
                mpl.patches.Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="#c4501b", linewidth=2.5)
            )
    axes.set_xticks(range(len(l1)), [f"{value:g}" for value in l1], fontsize=8)
    axes.set_yticks(range(len(l2)), [f"{value:g}" for value in l2], fontsize=8)
    axes.set(xlabel="λ1", ylabel="λ2", title=f"{title} on dev")


def _line(
    axes: Any, rows: Sequence[PlainRow], study: str, name: str, metric: str, more: dict[str, str],
    style: tuple[str, str, str], total: int,
) -> None:  # fmt: skip
    found = [row for k in sizes(rows, study) if (row := subset_row(rows, study, name, k, metric, **more)) is not None]
    if not found:
        return
    shares = [100 * row["k"] / total for row in found]
    color, marker, label = style
    values = [row["value"] for row in found]
    axes.plot(shares, values, color=color, marker=marker, markersize=4, linewidth=1.6, label=label)
    hollow = [(x, row["value"]) for x, row in zip(shares, found, strict=True) if row.get("not_earned")]
    if hollow:  # the set reaches into neurons that the ranking did not order
        axes.plot(*zip(*hollow, strict=True), color=color, marker=marker, markersize=4, linestyle="", mfc="white")
    if name == "random" and all("least" in row for row in found):
        low, high = ([row[end] for row in found] for end in ("least", "most"))
        axes.fill_between(shares, low, high, color=color, alpha=0.2, linewidth=0)


def _reference(axes: Any, rows: Sequence[PlainRow], metric: str) -> None:
    oracle = first(rows, study="oracle", metric=metric, split="test")
    constant = next(iter(baselines(rows, "test", metric).items()), ("", None))
    for label, row, style in (("oracle", oracle, "--"), (*constant, ":")):
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
