"""The table of one screen that a job prints at its end, read from its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from neuronprobe.report.lookup import (
    FILLS,
    METRIC_NAMES,
    PlainRow,
    count,
    find,
    first,
    neuron_name,
    notes,
    of_primary,
    percent,
    rankings,
    salient,
    short,
    subset_row,
)

SETS = ("top", "random", "layer_matched", "bottom")
SHOWN: tuple[tuple[str, float, dict[str, str]], ...] = (
    *(("ablation", share, {"fill": fill}) for share in (0.1, 0.2) for fill in FILLS),
    ("retraining", 0.05, {}),
)
"""The sets on the screen; the report has all."""
KEPT = {"zero": "rest zero", "mean": "rest mean", "": "retrained"}
RARE = 20
"""With fewer units in train a label's neurons say little."""
MOST_LINES = 10
"""Of a study's own table; the report has all."""
CHOSEN_BY = {
    "score": "S",
    "retrained_score": "S of retrained probes",
    "dev": "dev",
    "stability": "stability",
}


def print_corpus(console: Console, rows: Sequence[PlainRow], title: str) -> None:
    """Sentences, words, labels and baselines of each split."""
    table = Table("split", "sentences", "words", "labels", "majority %", "word majority %", title=title)
    for split in ("train", "dev", "test"):
        numbers = [first(rows, study="corpus", metric=m, split=split) for m in ("sentences", "words", "labels")]
        guesses = [
            first(rows, study="baseline", metric="accuracy", set=s, split=split) for s in ("majority", "word_majority")
        ]
        table.add_row(
            split, *(f"{n['value']:,.0f}" for n in numbers if n), *(percent(g).split(" [")[0] for g in guesses)
        )
    console.print(table)
    if text := vocabulary_text(rows):
        console.print(text)
    for row in find(rows, study="corpus", metric="units_with_a_label_train_lacks"):
        if row["value"]:
            console.print(
                f"{row['split']}: {row['value']:.0f} units have a label that train lacks; they are scored as wrong."
            )


def vocabulary_text(rows: Sequence[PlainRow]) -> str:
    """How many units have a type that train lacks, by split; empty where that was not counted."""
    shares = {row["split"]: row["value"] for row in find(rows, study="corpus", metric="units_unseen")}
    types = first(rows, study="corpus", metric="types", split="train")
    if types is None or len(shares) < 3:
        return ""
    unseen = " and ".join(f"{100 * shares[split]:.1f} % of {split}" for split in ("dev", "test"))
    return f"train has {types['value']:,.0f} types; {unseen} are of others."


def print_summary(
    console: Console, rows: Sequence[PlainRow], verdict: str, where: Sequence[str], metric: str = "accuracy",
    tables: Sequence[Mapping[str, Any]] = (),
) -> None:  # fmt: skip
    """Baselines, oracle, chosen λ, top/random/bottom, what studies show, the verdict, and where things lie."""
    names, rows = rankings(rows), of_primary(rows)
    table = Table(f"{METRIC_NAMES[metric]} on test, % [95 %]", "", title=_title(names))
    for name, label in (("majority", "most frequent label"), ("word_majority", "most frequent label per word type")):
        table.add_row(label, percent(first(rows, study="baseline", set=name, split="test", metric=metric)))
    table.add_row("oracle (all neurons)", percent(first(rows, study="oracle", metric=metric, split="test")))
    table.add_row("λ1, λ2 chosen on dev", lambda_text(rows))
    if trained := batch_text(rows):
        table.add_row("trained in", trained)
    console.print(table)
    subsets, remarks = _subset_table(rows, metric)
    if subsets.row_count:
        console.print(subsets, *remarks, sep="\n")
    for own in tables:
        shown = Table(*own["header"], title=own["heading"])
        for line in own["body"][:MOST_LINES]:
            shown.add_row(*line)
        console.print(shown)
    if find(rows, study="ranking"):
        console.print(f"most salient by {names[0]}: {neurons_text(rows)}")
    for line in (rare_text(rows), stability_text(rows), skew_text(rows, metric), search_text(rows), verdict):
        if line:
            console.print(line)
    for line in where:
        console.print(line, soft_wrap=True)


def _title(names: Sequence[str]) -> str:
    return "Linguistic Correlation Analysis" if names[:1] in ([], ["lca"]) else f"Neurons by {names[0]}"


def batch_text(rows: Sequence[PlainRow]) -> str:
    """How the probes were trained; empty where there are no batches."""
    row = first(rows, study="training", metric="optimizer_steps")
    return "" if row is None else f"{row['value']:,.0f} optimizer steps with batches of {row['batch_size']:,}"


def lambda_text(rows: Sequence[PlainRow]) -> str:
    """The chosen λ, by what it was chosen, and what was given up for it."""
    row = next((row for row in rows if row["study"] == "lambda_search" and row["metric"].endswith("_given_up")), None)
    if row is None:
        return "-"
    metric = METRIC_NAMES[row["metric"].removesuffix("_given_up")]
    given_up = f"gave up {100 * row['value']:.1f} points of {metric} on dev"
    return f"{row['l1']:g}, {row['l2']:g} by {CHOSEN_BY.get(row['by'], row['by'])} ({given_up})"


def rare_text(rows: Sequence[PlainRow]) -> str:
    """Labels with few units in train that lead the ranking; empty where there are none."""
    shown = {name for row in salient(rows) for name in row["labels"]}
    found = find(rows, study="ranking", metric="label_neurons")
    rare = [f"{row['label']} ({row['support']})" for row in found if row["label"] in shown and row["support"] < RARE]
    return f"few units in train have these labels, whose neurons say little: {', '.join(rare)}." if rare else ""


def skew_text(rows: Sequence[PlainRow], metric: str) -> str:
    """A warning where one label has most units and accuracy is what was compared; else empty."""
    row = first(rows, study="baseline", set="majority", split="test", metric="accuracy")
    if metric != "accuracy" or row is None or row["value"] <= 0.5:
        return ""
    f1 = first(rows, study="oracle", metric="macro_f1", split="test")
    return (
        f"the most frequent label has {100 * row['value']:.1f} % of the test units, so accuracy flatters: the oracle's "
        f"macro-F1 is {percent(f1)}; metric=macro_f1 chooses and judges by it."
    )


def search_text(rows: Sequence[PlainRow]) -> str:
    """A remark where S compared whole probes with their biases; else empty."""
    scores = find(rows, study="lambda_search", metric="score")
    whole = [row for row in scores if row.get("top_is_whole_probe")]
    if not whole or whole[0]["by"] not in ("score", "retrained_score"):
        return ""
    return (
        f"for {len(whole)} of {len(scores)} λ the probe has no more neurons than the top of the score S: its top is "
        "the whole probe and its bottom the bias, so that S orders these by what all neurons give."
    )


def stability_text(rows: Sequence[PlainRow]) -> str:
    """How much of its top the ranking keeps over seeds and resamples; empty where that was not measured."""
    found = []
    for over in ("seeds", "resamples"):
        overlaps = find(rows, study="stability", metric="overlap", set="top", over=over)
        shares = ", ".join(
            f"{100 * row['value']:.0f} % of the top {row['share']:.0%} "
            f"({_earned(row)}by chance {100 * row['chance']:.0f})"
            for row in overlaps
        )
        found += [f"two {over} share {shares}"] if shares else []
    return f"stability: {'; '.join(found)}." if found else ""


def _earned(row: PlainRow) -> str:
    """`12 earned, ` where the smallest of the tops was not earned whole."""
    return f"{row['k'] - row['not_earned']:,} earned, " if row.get("not_earned") else ""


def neurons_text(rows: Sequence[PlainRow]) -> str:
    """The first neurons as (layer, index) with the labels that they serve."""
    found = salient(rows)
    return " · ".join(" ".join([neuron_name(row), *(["/".join(row["labels"])] * bool(row["labels"]))]) for row in found)


def _subset_table(rows: Sequence[PlainRow], metric: str) -> tuple[Table, list[str]]:
    title = f"{METRIC_NAMES[metric]} on test, % ± half the 95 % interval (random: ± deviation, draws)"
    table = Table("neurons", "top", "random", "same layers", "bottom", title=title)
    shown: list[PlainRow] = []
    for study, share, more in SHOWN:
        k = count(rows, share)
        found = [subset_row(rows, study, name, k, metric, **more) for name in SETS]
        if any(found):
            shown += [row for row in found if row]
            table.add_row(f"{share:.0%}, {KEPT[more.get('fill', '')]}", *map(short, found))
    return table, notes(shown)
