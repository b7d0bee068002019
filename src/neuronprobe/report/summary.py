"""The table of one screen that a job prints at its end, read from its rows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from neuronprobe.report.lookup import PlainRow, count, find, first, neuron_name, notes, percent, short

SETS = ("top", "random", "layer_matched", "bottom")


def print_corpus(console: Console, rows: Sequence[PlainRow], title: str) -> None:
    """Sentences, words, labels and baselines of each split."""
    table = Table("split", "sentences", "words", "labels", "majority %", "word majority %", title=title)
    for split in ("train", "dev", "test"):
        numbers = [first(rows, study="corpus", metric=m, split=split) for m in ("sentences", "words", "labels")]
        guesses = [first(rows, study="baseline", set=s, split=split) for s in ("majority", "word_majority")]
        table.add_row(
            split, *(f"{n['value']:,.0f}" for n in numbers if n), *(percent(g).split(" [")[0] for g in guesses)
        )
    console.print(table)
    for row in find(rows, study="corpus", metric="units_with_a_label_train_lacks"):
        if row["value"]:
            console.print(
                f"{row['split']}: {row['value']:.0f} units have a label that train lacks; they are scored as wrong."
            )


def print_summary(console: Console, rows: Sequence[PlainRow], verdict: str, where: Sequence[str]) -> None:
    """Baselines, oracle, chosen λ, top/random/bottom, the first neurons, the verdict, and where things lie."""
    table = Table("accuracy on test, % [95 %]", "", title="Linguistic Correlation Analysis", show_header=True)
    for name, label in (("majority", "most frequent label"), ("word_majority", "most frequent label per word type")):
        table.add_row(label, percent(first(rows, study="baseline", set=name, split="test")))
    oracle = first(rows, study="oracle", metric="accuracy", split="test")
    table.add_row("oracle (all neurons)", percent(oracle))
    table.add_row("λ1, λ2 chosen on dev", lambda_text(rows))
    console.print(table)
    subsets, remarks = _subset_table(rows)
    console.print(subsets, *remarks, sep="\n")
    console.print(f"most salient: {neurons_text(rows)}")
    if stable := stability_text(rows):
        console.print(stable)
    console.print(verdict)
    for line in where:
        console.print(line, soft_wrap=True)


def lambda_text(rows: Sequence[PlainRow]) -> str:
    """The chosen λ and the accuracy that S gave up for it."""
    row = first(rows, study="lambda_search", metric="accuracy_given_up")
    if row is None:
        return "-"
    return f"{row['l1']:g}, {row['l2']:g} (gave up {100 * row['value']:.1f} points on dev)"


def stability_text(rows: Sequence[PlainRow]) -> str:
    """How much of its top the ranking keeps over seeds and resamples; empty where that was not measured."""
    found = []
    for over in ("seeds", "resamples"):
        overlaps = find(rows, study="stability", metric="overlap", set="top", over=over)
        shares = ", ".join(f"{100 * row['value']:.0f} % of the top {row['share']:.0%}" for row in overlaps)
        found += [f"two {over} share {shares}"] if shares else []
    return f"stability: {'; '.join(found)} (chance gives each top's own share)." if found else ""


def neurons_text(rows: Sequence[PlainRow]) -> str:
    """The first neurons as (layer, index) with the labels that they serve."""
    found = find(rows, study="ranking", metric="mass_of_heavier_neurons")
    return " · ".join(f"{neuron_name(row)} {'/'.join(row['labels'])}" for row in found) or "-"


def _subset_table(rows: Sequence[PlainRow]) -> tuple[Table, list[str]]:
    title = "accuracy on test, % ± half the 95 % interval (random: deviation)"
    table = Table("neurons", "top", "random", "same layers", "bottom", title=title)
    shown: list[PlainRow] = []
    for study, share, how in (
        ("ablation", 0.1, "kept"),
        ("ablation", 0.2, "kept"),
        ("retraining", 0.05, "retrained"),
    ):
        k = count(rows, share)
        cells = [short(subset_row(rows, study, name, k)) for name in SETS]
        if set(cells) != {"-"}:
            shown += [row for name in SETS if (row := subset_row(rows, study, name, k))]
            table.add_row(f"{share:.0%} ({k:,}) {how}", *cells)
    return table, notes(shown)


def subset_row(rows: Sequence[PlainRow], study: str, name: str, k: int, split: str = "test") -> PlainRow | None:
    """The row of a set: the mean over draws for the random ones."""
    metric = "mean_accuracy" if "random" in name or name == "layer_matched" else "accuracy"
    return first(rows, study=study, set=name, k=k, split=split, metric=metric)
