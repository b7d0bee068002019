"""What the screen and the page say of a number: draws, fills, chance, skew, sparse probes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from rich.console import Console

from neuronprobe.probes import Fit, Probe
from neuronprobe.report.lookup import of_primary, rankings, short
from neuronprobe.report.summary import MOST_LINES, print_summary
from neuronprobe.shown import Table
from neuronprobe.studies import oracle
from neuronprobe.studies.cells import plain
from neuronprobe.studies.grid import chosen_text, grid_result
from neuronprobe.studies.stability import _remark as stability_remark
from neuronprobe.types import Row
from tests.conftest import MakeSplit, make_trained


def test_a_random_figure_has_the_deviation_of_a_draw_and_a_top_half_its_interval() -> None:
    flags = {"n_draws": 199, "deviation": 0.057}
    (row,) = plain([Row("ablation", "mean_accuracy", 0.779, set="random", k=20, flags=flags)])
    assert short(row) == "77.9 ±5.7"
    (top,) = plain([Row("ablation", "accuracy", 0.9, set="top", k=20, low=0.88, high=0.92, flags={"not_earned": 3})])
    assert short(top) == "90.0‡ ±2.0"


@pytest.mark.parametrize(("share", "said"), [(0.9, True), (0.6, False), (0.5, False)])
def test_accuracy_is_said_to_flatter_where_one_label_has_most_units(
    make_split: MakeSplit, share: float, said: bool
) -> None:
    """Of two labels with three quarters of the units: .6 says nothing there."""
    labels = (torch.arange(100) >= 100 * share).long()
    split = make_split(torch.randn(100, 4), labels)
    trained = make_trained(Probe(torch.zeros(2, 4), torch.tensor([1.0, 0.0])), split, {"test": split}, Fit(0.0, 0.0))
    remarks = oracle(trained).remarks
    assert [f"has {100 * share:.1f} % of the test units" in remark for remark in remarks] == [True] * said
    assert all("macro-F1 is 47.4" in remark for remark in remarks), "2 · .9 / 1.9, halved"
    assert oracle(replace(trained, metric="macro_f1")).remarks == ()


def searched(earned: int, by: str, whole: bool, mode: str = "ablated") -> Row:
    flags = {"by": by, "chosen": False, "earned": earned, "of_metric": "accuracy"}
    flags |= {"top_is_whole_probe": True} if whole else {}
    return Row("lambda_search", "score", 0.3, l1=float(earned), l2=0.0, mode=mode, flags=flags)


def test_where_the_top_of_s_is_the_whole_probe_it_is_said() -> None:
    (remark,) = grid_result([searched(30, "score", True), searched(900, "score", False)]).remarks
    assert remark.startswith("for 1 of 2 λ the probe has no more neurons than the top")
    assert grid_result([searched(900, "score", False)]).remarks == ()
    assert grid_result([searched(30, "dev", True)]).remarks == ()


def test_how_and_by_what_lambda_was_searched_comes_from_the_rows() -> None:
    ((ablated,), (retrained,)) = (
        table.notes
        for rows in ([searched(9, "score", False)], [searched(9, "retrained_score", False, "retrained")])
        for table in grid_result(rows).tables
    )
    assert "kept in the trained probe, the rest zero" in ablated and "are retrained" in retrained
    given_up = {"by": "stability", "chosen": True}
    rows = plain([Row("lambda_search", "macro_f1_given_up", 0.012, l1=0.001, l2=0.0, flags=given_up)])
    assert chosen_text(rows) == "0.001, 0 by stability (gave up 1.2 points of macro-F1 on dev)"


def test_the_heat_map_of_a_grid_has_each_pair_in_its_cell_and_frames_the_chosen_one() -> None:
    pairs = [(1e-3, 0.0, 0.3), (1e-2, 0.0, 0.4), (1e-3, 1e-4, 0.5)]
    flags = {"by": "score", "earned": 9, "of_metric": "accuracy"}
    rows = [
        Row("lambda_search", "score", s, l1=l1, l2=l2, mode="ablated", flags={**flags, "chosen": s == 0.5})
        for l1, l2, s in pairs
    ]
    figure = grid_result(rows).figures[0]
    cells = {(x, series.name): y for series in figure.series for x, y in zip(series.x, series.y, strict=True)}
    assert cells == {("0.001", "0"): 0.3, ("0.01", "0"): 0.4, ("0.001", "0.0001"): 0.5, ("0.01", "0.0001"): None}
    assert [series.flagged for series in figure.series] == [(True, False), (False, False)], "the largest λ2 on top"


def test_the_chance_of_an_overlap_is_its_rows_own() -> None:
    flags: dict[str, Any] = {"over": "resamples", "chance": 0.013}
    row = Row("stability", "overlap", 0.4, set="top", k=54, share=0.2, ranking="lca", flags=flags)
    assert stability_remark(plain([row])) == "stability: two resamples share 40 % of the top 20% (by chance 1)."
    short_of = replace(row, flags={**flags, "not_earned": 42})
    assert "of the top 20% (12 earned, by chance 1)" in stability_remark(plain([short_of]))


def test_the_primary_ranking_is_the_one_that_is_shown() -> None:
    rows = plain([
        Row("oracle", "accuracy", 0.9, k=100, split="test"),
        *(Row("ablation", "accuracy", value, ranking=name, set="top", k=10, split="test", flags={"fill": "zero"})
          for name, value in (("probeless", 0.5), ("lca", 0.7))),
    ])  # fmt: skip
    assert rankings(rows) == ["probeless", "lca"]
    assert [row["value"] for row in of_primary(rows)] == [0.9, 0.5]
    console = Console(record=True, width=200)
    print_summary(console, rows, "verdict", [])
    shown = console.export_text()
    assert "Neurons by probeless" in shown and "most salient" not in shown
    line = next(line for line in shown.splitlines() if "10%, rest zero" in line)
    assert line.index("50.0") < line.index("70.0"), "the tops of the others stand beside that of the primary one"
    heads = next(line for line in shown.splitlines() if "same layers" in line)
    assert heads.index("probeless") < heads.index("lca") < heads.index("random")


def test_the_screen_says_how_many_random_sets_stand_behind_a_mean() -> None:
    flags = {"n_draws": 199, "deviation": 0.05, "fill": "zero"}
    rows = plain([
        Row("oracle", "accuracy", 0.9, k=100, split="test"),
        Row("ablation", "accuracy", 0.8, ranking="lca", set="top", k=10, split="test", flags={"fill": "zero"}),
        Row("ablation", "mean_accuracy", 0.4, ranking="lca", set="random", k=10, split="test", mode="ablated",
            flags=flags),
        Row("retraining", "mean_accuracy", 0.6, ranking="lca", set="random", k=5, split="test", mode="retrained",
            flags={"n_draws": 5, "deviation": 0.01}),
    ])  # fmt: skip
    console = Console(record=True, width=200)
    print_summary(console, rows, "verdict", [])
    shown = console.export_text()
    assert "Random sets: 199 (kept), 5 (retrained)." in shown and "40.0 ±5.0" in shown and " top " in shown


def test_the_screen_has_the_first_lines_of_the_tables_that_are_for_it() -> None:
    body = tuple((f"line {i}",) for i in range(MOST_LINES + 1))
    tables = [Table("Shown", ("a",), body, notes=("a note",)), Table("Hidden", ("b",), body, on_screen=False)]
    console = Console(record=True, width=200)
    print_summary(console, [], "verdict", [], tables=tables, remarks=["a remark"])
    shown = console.export_text()
    assert "Shown" in shown and "line 9" in shown and "line 10" not in shown and "Hidden" not in shown
    assert "a note" in shown and "a remark\nverdict" in shown
