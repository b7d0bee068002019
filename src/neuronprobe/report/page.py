"""report.md: a job on one page, every number read from its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neuronprobe.report.figures import draw_accuracy, draw_grid, draw_layers
from neuronprobe.report.lookup import (
    FILLS,
    METRIC_NAMES,
    PlainRow,
    baselines,
    draws_text,
    find,
    first,
    first_metric,
    metric_of,
    n_neurons,
    neuron_name,
    notes,
    of_primary,
    percent,
    rankings,
    salient,
    sizes,
    subset_row,
)
from neuronprobe.report.sections import sections
from neuronprobe.report.summary import SETS, lambda_text, search_text, skew_text

FEWEST_DRAWS = 39
"""With fewer the least possible p says nothing."""
REACHED = ("objective", "kkt_residual", "exact_zeros")
"""How far training came: objective on train, largest violation of the optimum's conditions, share of zero weights."""


def write_report(folder: Path, results: Mapping[str, Any]) -> Path:
    """Write report.md with its figures into a job's folder, from what its results.json holds."""
    rows = results["rows"]
    if find(rows, study="ranking"):
        draw_layers(of_primary(rows), folder / "salient_neurons_per_layer.png")
    if _has_sets(rows):
        draw_accuracy(rows, folder / "accuracy_by_neurons_kept.png", metric_of(results["config"]))
    draw_grid(rows, folder / "lambda_grid.png")
    path = folder / "report.md"
    path.write_text("\n".join(_page(results, rows)) + "\n", encoding="utf-8")
    return path


def _page(results: Mapping[str, Any], every: Sequence[PlainRow]) -> Iterator[str]:
    rows = of_primary(every)
    yield f"# {results.get('title') or 'A job'}\n"
    yield f"{results.get('verdict') or 'No verdict.'}\n"
    if skewed := skew_text(rows, metric_of(results["config"])):
        yield f"{skewed[0].upper()}{skewed[1:]}\n"
    yield (
        "Accuracies are micro, in percent. [ ] are 95 % intervals over test sentences and, where random sets are in a "
        "number, over their draws; ( ) behind a mean is the number of draws.\n"
    )
    if _has_sets(every):
        yield "![accuracy against neurons kept](accuracy_by_neurons_kept.png)\n"
    if find(every, study="ranking"):
        yield "![salient neurons per layer](salient_neurons_per_layer.png)\n"
    yield "## Corpus and baselines\n"
    yield from _corpus(rows)
    yield f"\n## λ search\n\nλ1, λ2 = {lambda_text(rows)}. {_how_searched(rows)} {search_text(rows)}\n"
    yield "![the grid of λ](lambda_grid.png)\n"
    yield from _grid(rows)
    for metric in dict.fromkeys((metric_of(results["config"]), *METRIC_NAMES)):
        if not first(rows, study="oracle", metric=metric):
            continue
        yield f"\n## Oracle and subsets, {METRIC_NAMES[metric]} on test\n"
        yield from _subsets(every, metric)
    for heading, header, body in sections(every, results["config"]):
        yield f"\n## {heading}\n"
        yield from _table(header, body)
    for table in results.get("tables") or ():
        yield f"\n## {table['heading']}\n"
        yield from _table(table["header"], table["body"])
    for name in dict.fromkeys(row["ranking"] for row in find(every, study="ranking")):
        yield f"\n## Most salient neurons by {name}\n"
        yield from _neurons(find(every, ranking=name))
    if find(every, study="ranking") and find(every, study="oracle", metric="f1"):
        yield "\n## Labels\n"
        yield from _labels(rows)
    seconds = ", ".join(f"{stage} {s:.1f}" for stage, s in (results.get("seconds") or {}).items())
    versions = ", ".join(f"{package} {version}" for package, version in (results.get("versions") or {}).items())
    yield f"\nSeconds: {seconds}. Versions: {versions}."


def _has_sets(rows: Sequence[PlainRow]) -> bool:
    return any(row["study"] in ("ablation", "retraining") for row in rows)


def _table(header: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for line in body:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"


def _corpus(rows: Sequence[PlainRow]) -> Iterator[str]:
    shown = ("sentences", "words", "labels", "units_with_a_label_train_lacks", "value_mean", "value_deviation")
    metrics = [name for name in shown if first(rows, study="corpus", metric=name)]
    body = []
    for split in ("train", "dev", "test"):
        counts = [first(rows, study="corpus", metric=metric, split=split) for metric in metrics]
        guesses = baselines(rows, split, first_metric(rows))
        cells = [f"{row['value']:,.{2 * row['metric'].startswith('value')}f}" for row in counts if row]
        body.append([split, *cells, *map(percent, guesses.values())])
    header = ("split", *(m.replace("_", " ") for m in metrics), next(iter(guesses), ""), "… per word type")
    yield from _table(header, body)


def _grid(rows: Sequence[PlainRow]) -> Iterator[str]:
    body = []
    for score in find(rows, study="lambda_search", metric="score"):
        pair = {"study": "lambda_search", "l1": score["l1"], "l2": score["l2"], "metric": "accuracy"}
        by = pair | {"metric": score.get("of_metric", "accuracy")}
        cells = [
            first(rows, **by, set="all", split="dev"),
            first(rows, **by, set="top"),
            first(rows, **by, set="bottom"),
            first(rows, **by, set="all", split="test"),
        ]
        mark = " ← chosen" if score["chosen"] else ""
        reached = [first(rows, study="lambda_search", l1=score["l1"], l2=score["l2"], metric=m) for m in REACHED]
        earned = "-" if score.get("earned") is None else f"{score['earned']:,}"
        cells_reached = ["-" if row is None else f"{row['value']:.2g}" for row in reached]
        place = f"{score['l1']:g}", f"{score['l2']:g}"
        body.append([*place, *map(percent, cells), f"{score['value']:.3f}{mark}", earned, *cells_reached])
    header = (
        "λ1",
        "λ2",
        "all (dev)",
        "top (dev)",
        "bottom (dev)",
        "all (test)",
        "S",
        "earned neurons",
        *(m.replace("_", " ") for m in REACHED),
    )
    yield from _table(header, body)


def _how_searched(rows: Sequence[PlainRow]) -> str:
    """What the score S kept or retrained."""
    score = first(rows, study="lambda_search", metric="score")
    if score is None:
        return ""
    how = "are retrained" if score["mode"] == "retrained" else "are kept in the trained probe, the rest zero"
    metric = METRIC_NAMES[score.get("of_metric", "accuracy")]
    return f"In S, top and bottom {how}; on dev. Columns are {metric}, %."


def _subsets(every: Sequence[PlainRow], metric: str) -> Iterator[str]:
    rows, others = of_primary(every), rankings(every)[1:]
    total = n_neurons(rows) or 1
    oracle = first(rows, study="oracle", metric=metric, split="test")
    yield f"Oracle {percent(oracle)}, {total:,} neurons.\n"
    if not _has_sets(every):
        return
    body = []
    kept = [("ablation", f"kept, {how}", {"fill": fill}) for fill, how in FILLS.items()]
    for study, how, more in (*kept, ("retraining", "retrained", {})):
        for k in sizes(rows, study):
            found = [subset_row(rows, study, name, k, metric, **more) for name in SETS]
            found += [subset_row(every, study, "top", k, metric, ranking=name, **more) for name in others]
            cells = [percent(row) + (draws_text(row) if row else "") for row in found]
            gain = {"metric": f"{metric}_difference", "against": "random", "k": k, "split": "test"}
            row = first(rows, study=study, **gain, **more)
            tells = row and row.get("p") is not None and row["n_draws"] >= FEWEST_DRAWS
            odds = f", p = {row['p']:.3g}" if row and tells else ""
            body.append([f"{how}, {100 * k / total:.3g} % ({k:,})", *cells, percent(row) + odds])
    what = "area" if metric == "accuracy" else f"{metric}_area"
    for _, how, more in kept:
        curve: dict[str, Any] = {"study": "ablation_curve", "metric": what, "split": "test", **more}
        areas = [first(rows, **curve, set=name) for name in SETS]
        areas += [first(every, **curve, set="top", ranking=name) for name in others]
        if any(areas):
            body.append([f"{how}, mean over the shares (area)", *map(percent, areas), "-"])
    header = ("neurons", "top", "random", "random, same layers", "bottom", *(f"top by {name}" for name in others))
    header = (*header, "top − random")
    yield from _table(header, body)
    yield from (f"\n{note}" for note in notes(find(rows, split="test")))


def _neurons(rows: Sequence[PlainRow]) -> Iterator[str]:
    found = salient(rows)
    block = first(rows, study="ranking", metric="first_block")
    if block is not None and block["value"] > 1:
        why = ": each is some label's heaviest" if block["ranking"] == "lca" else " with one score"
        yield f"The first {block['value']:.0f} neurons tie{why}.\n"
    body = [[str(row["rank"]), neuron_name(row), ", ".join(row["labels"])] for row in found]
    yield from _table(("rank", "(layer, index)", "salient for"), body)


def _labels(rows: Sequence[PlainRow]) -> Iterator[str]:
    body = []
    for row in find(rows, study="ranking", metric="label_neurons"):
        f1 = first(rows, study="oracle", metric="f1", split="test", label=row["label"])
        test = "-" if f1 is None else f"{f1['support']:,}"
        neurons = "none: no weight mass" if row["massless"] else f"{row['value']:.0f}"
        body.append([str(row["label"]), f"{row['support']:,}", test, percent(f1), neurons])
    header = ("label", "units in train", "in test", "F1 (all neurons)", "neurons that hold 25 % of its mass")
    yield from _table(header, body)
