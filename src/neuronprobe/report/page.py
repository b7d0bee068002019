"""report.md: a job on one page, every number read from its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from neuronprobe.report.figures import draw_accuracy, draw_grid, draw_layers
from neuronprobe.report.lookup import PlainRow, find, first, n_neurons, neuron_name, notes, percent, sizes
from neuronprobe.report.sections import sections
from neuronprobe.report.summary import SETS, lambda_text, subset_row

SHOWN = (*SETS, "magnitude")
REACHED = ("objective", "kkt_residual", "exact_zeros")
"""How far training came: objective on train, largest violation of the optimum's conditions, share of zero weights."""


def write_report(folder: Path, results: dict[str, Any], title: str) -> Path:
    """Write report.md with its two figures into a job's folder."""
    rows = results["rows"]
    draw_layers(rows, folder / "salient_neurons_per_layer.png")
    draw_accuracy(rows, folder / "accuracy_by_neurons_kept.png")
    draw_grid(rows, folder / "lambda_grid.png")
    path = folder / "report.md"
    path.write_text("\n".join(_page(results, rows, title)) + "\n", encoding="utf-8")
    return path


def _page(results: dict[str, Any], rows: Sequence[PlainRow], title: str) -> Iterator[str]:
    yield f"# {title}\n"
    yield f"{results['verdict']}\n"
    yield "Accuracies are micro, in percent; [ ] are 95 % intervals from resampled test sentences.\n"
    yield "![accuracy against neurons kept](accuracy_by_neurons_kept.png)\n"
    yield "![salient neurons per layer](salient_neurons_per_layer.png)\n"
    yield "## Corpus and baselines\n"
    yield from _corpus(rows)
    yield f"\n## λ search\n\nλ1, λ2 = {lambda_text(rows)}. Top and bottom are kept in the trained probe, on dev.\n"
    yield "![the grid of λ](lambda_grid.png)\n"
    yield from _grid(rows)
    yield "\n## Oracle and subsets, on test\n"
    yield from _subsets(rows)
    for heading, header, body in sections(rows, results["config"]):
        yield f"\n## {heading}\n"
        yield from _table(header, body)
    yield "\n## Most salient neurons\n"
    yield from _neurons(rows)
    yield "\n## Labels\n"
    yield from _labels(rows)
    seconds = ", ".join(f"{stage} {s:.1f}" for stage, s in results["seconds"].items())
    yield f"\nSeconds: {seconds}. Versions: {', '.join(f'{k} {v}' for k, v in results['versions'].items())}."


def _table(header: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for line in body:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"


def _corpus(rows: Sequence[PlainRow]) -> Iterator[str]:
    metrics = ("sentences", "words", "labels", "units_with_a_label_train_lacks")
    body = []
    for split in ("train", "dev", "test"):
        counts = [first(rows, study="corpus", metric=metric, split=split) for metric in metrics]
        guesses = [first(rows, study="baseline", set=name, split=split) for name in ("majority", "word_majority")]
        body.append([split, *(f"{row['value']:,.0f}" for row in counts if row), *map(percent, guesses)])
    header = ("split", *(m.replace("_", " ") for m in metrics), "most frequent label", "… per word type")
    yield from _table(header, body)


def _grid(rows: Sequence[PlainRow]) -> Iterator[str]:
    body = []
    for score in find(rows, study="lambda_search", metric="score"):
        pair = {"study": "lambda_search", "l1": score["l1"], "l2": score["l2"], "metric": "accuracy"}
        cells = [
            first(rows, **pair, set="all", split="dev"),
            first(rows, **pair, set="top"),
            first(rows, **pair, set="bottom"),
            first(rows, **pair, set="all", split="test"),
        ]
        mark = " ← chosen" if score["chosen"] else ""
        reached = [first(rows, study="lambda_search", l1=score["l1"], l2=score["l2"], metric=m) for m in REACHED]
        cells_reached = ["-" if row is None else f"{row['value']:.2g}" for row in reached]
        place = f"{score['l1']:g}", f"{score['l2']:g}"
        body.append([*place, *map(percent, cells), f"{score['value']:.3f}{mark}", *cells_reached])
    header = (
        "λ1",
        "λ2",
        "all (dev)",
        "top (dev)",
        "bottom (dev)",
        "all (test)",
        "S",
        *(m.replace("_", " ") for m in REACHED),
    )
    yield from _table(header, body)


def _subsets(rows: Sequence[PlainRow]) -> Iterator[str]:
    total = n_neurons(rows) or 1
    oracle = first(rows, study="oracle", metric="accuracy", split="test")
    f1 = first(rows, study="oracle", metric="macro_f1", split="test")
    yield f"Oracle {percent(oracle)}, macro-F1 {percent(f1)}, {total:,} neurons.\n"
    body = []
    for study, how in (("ablation", "kept, rest zeroed"), ("retraining", "retrained")):
        for k in sizes(rows, study):
            cells = [percent(subset_row(rows, study, name, k)) for name in SHOWN]
            gain = first(rows, study=study, metric="accuracy_difference", against="random", k=k, split="test")
            body.append([f"{how}, {100 * k / total:.3g} % ({k:,})", *cells, percent(gain)])
    areas = [first(rows, study="ablation_curve", metric="area", set=name, split="test") for name in SHOWN]
    if any(areas):
        body.append(["kept, mean over the shares (area)", *map(percent, areas), "-"])
    header = ("neurons", "top", "random", "random, same layers", "bottom", "by mean weight", "top − random")
    yield from _table(header, body)
    yield from (f"\n{note}" for note in notes(find(rows, split="test")))


def _neurons(rows: Sequence[PlainRow]) -> Iterator[str]:
    found = find(rows, study="ranking", metric="mass_of_heavier_neurons")
    block = first(rows, study="ranking", metric="first_block")
    if block is not None:
        yield f"The first {block['value']:.0f} neurons tie: each is some label's heaviest.\n"
    body = [[str(row["rank"]), neuron_name(row), ", ".join(row["labels"])] for row in found]
    yield from _table(("rank", "(layer, index)", "salient for"), body)


def _labels(rows: Sequence[PlainRow]) -> Iterator[str]:
    body = [
        [str(row["label"]), f"{row['support']:,}", "none: no weight mass" if row["massless"] else f"{row['value']:.0f}"]
        for row in find(rows, study="ranking", metric="label_neurons")
    ]
    yield from _table(("label", "units in train", "neurons that hold 25 % of its weight mass"), body)
