"""What a job prints at its end: the headline, what its studies show, the verdict, and where things lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table as Grid

from neuronprobe.report.lookup import baselines, count, of_primary, rankings, short, subset_row
from neuronprobe.shown import Table
from neuronprobe.studies.cells import FILLS, PlainRow, first, metric_name, notes, percent
from neuronprobe.studies.grid import chosen_text

SETS = ("random", "layer_matched", "bottom")
"""What stands beside the tops."""
MOST_TOPS = 3
"""Rankings whose tops are on the screen, the primary one first; the report has all."""
SHOWN: tuple[tuple[str, float, dict[str, str]], ...] = (
    *(("ablation", share, {"fill": fill}) for share in (0.1, 0.2) for fill in FILLS),
    ("retraining", 0.05, {}),
)
"""The sets on the screen; the report has all."""
KEPT = {"zero": "rest zero", "mean": "rest mean", "": "retrained"}
MOST_LINES = 10
"""Of a study's own table; the report has all."""


def print_table(console: Console, table: Table) -> None:
    """The first lines of a study's table, and its notes."""
    shown = Grid(*table.header, title=table.heading)
    for line in table.body[:MOST_LINES]:
        shown.add_row(*line)
    console.print(shown, *table.notes, sep="\n")


def print_summary(
    console: Console, rows: Sequence[PlainRow], verdict: str, where: Sequence[str], metric: str = "accuracy",
    tables: Sequence[Table] = (), remarks: Sequence[str] = (),
) -> None:  # fmt: skip
    """Baselines, oracle, chosen λ, top/random/bottom, what studies show, the verdict, and where things lie."""
    names, all_rows, rows = rankings(rows), rows, of_primary(rows)
    console.print(_headline(rows, names, metric))
    subsets, marks = _subsets(all_rows, names, metric)
    if subsets.row_count:
        console.print(subsets, *marks, sep="\n")
    for table in tables:
        if table.on_screen:
            print_table(console, table)
    console.print(*remarks, verdict, sep="\n")
    for line in where:
        console.print(line, soft_wrap=True)


def _headline(rows: Sequence[PlainRow], names: Sequence[str], metric: str) -> Grid:
    title = "Linguistic Correlation Analysis" if names[:1] in ([], ["lca"]) else f"Neurons by {names[0]}"
    table = Grid(f"{metric_name(metric)} on test, % [95 %]", "", title=title)
    for label, row in baselines(rows, "test", metric).items():
        table.add_row(label, percent(row))
    table.add_row("oracle (all neurons)", percent(first(rows, study="oracle", metric=metric, split="test")))
    if spans := first(rows, study="oracle", metric="span_f1", split="test"):
        table.add_row(f"{metric_name('span_f1')} of the oracle", percent(spans))
    table.add_row("λ1, λ2 chosen on dev", chosen_text(rows))
    if steps := first(rows, study="training", metric="optimizer_steps"):
        trained = f"{steps['value']:,.0f} optimizer steps with batches of {steps['batch_size']:,}"
        table.add_row("trained in", trained)
    return table


def _subsets(rows: Sequence[PlainRow], names: Sequence[str], metric: str) -> tuple[Grid, tuple[str, ...]]:
    """The tops of the first rankings, of the primary one also what stands beside, and how many draws there are."""
    ablated = [name for name in names if first(rows, study="ablation", set="top", ranking=name)][:MOST_TOPS]
    tops = ablated if len(ablated) > 1 else names[:1]
    title = f"{metric_name(metric)} of tops on test, % ± half the 95 % interval (random: ± deviation)"
    heads = tops if len(tops) > 1 else ["top"]
    table = Grid("neurons", *heads, "random", "same layers", "bottom", title=title)
    shown: list[PlainRow] = []
    for study, share, more in SHOWN:
        k = count(rows, share)
        found = [subset_row(rows, study, "top", k, metric, ranking=name, **more) for name in tops]
        found += [subset_row(of_primary(rows), study, name, k, metric, **more) for name in SETS]
        if any(found):
            shown += [row for row in found if row]
            table.add_row(f"{share:.0%}, {KEPT[more.get('fill', '')]}", *map(short, found))
    return table, (*_draws(shown), *notes(shown))


def _draws(shown: Sequence[PlainRow]) -> Iterator[str]:
    """How many random sets stand behind the means."""
    by_number: dict[int, list[str]] = {}
    for row in shown:
        if n := row.get("n_draws"):
            by_number.setdefault(n, []).append("retrained" if row["mode"] == "retrained" else "kept")
    parts = (f"{n} ({' and '.join(dict.fromkeys(how))})" for n, how in by_number.items())
    if by_number:
        yield f"Random sets: {', '.join(parts)}."
