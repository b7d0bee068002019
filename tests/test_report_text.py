"""What the screen and the page say of a number: draws, fills, chance, skew, sparse probes."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from neuronprobe.report.lookup import of_primary, rankings, short
from neuronprobe.report.page import _how_searched
from neuronprobe.report.summary import lambda_text, print_summary, search_text, skew_text, stability_text
from neuronprobe.types import Row


def plain(*rows: Row) -> list[dict[str, Any]]:
    return [row.as_dict() for row in rows]


def test_a_random_figure_says_how_many_draws_stand_behind_it() -> None:
    flags = {"n_draws": 199, "deviation": 0.057}
    (row,) = plain(Row("ablation", "mean_accuracy", 0.779, set="random", k=20, flags=flags))
    assert short(row) == "77.9 ±5.7 (199)"
    (top,) = plain(Row("ablation", "accuracy", 0.9, set="top", k=20, low=0.88, high=0.92, flags={"not_earned": 3}))
    assert short(top) == "90.0‡ ±2.0"


def skewed(share: float) -> list[dict[str, Any]]:
    return plain(
        Row("baseline", "accuracy", share, set="majority", split="test"),
        Row("oracle", "macro_f1", 0.41, split="test", set="all", k=10),
    )


def test_accuracy_is_said_to_flatter_where_one_label_has_most_units() -> None:
    assert "has 92.6 % of the test units" in skew_text(skewed(0.926), "accuracy")
    assert "macro-F1 is 41.0" in skew_text(skewed(0.926), "accuracy")
    assert skew_text(skewed(0.5), "accuracy") == "" == skew_text(skewed(0.926), "macro_f1")


def score(earned: int, by: str, whole: bool, mode: str = "ablated") -> Row:
    flags = {"by": by, "chosen": False, "earned": earned, **({"top_is_whole_probe": True} if whole else {})}
    return Row("lambda_search", "score", 0.3, l1=float(earned), mode=mode, flags=flags)


def test_where_the_top_of_s_is_the_whole_probe_it_is_said() -> None:
    text = search_text(plain(score(30, "score", True), score(900, "score", False)))
    assert text.startswith("for 1 of 2 λ the probe has no more neurons than the top")
    assert search_text(plain(score(900, "score", False))) == "" == search_text(plain(score(30, "dev", True)))


def test_how_and_by_what_lambda_was_searched_comes_from_the_rows() -> None:
    assert "kept in the trained probe, the rest zero" in _how_searched(plain(score(9, "score", False)))
    assert "are retrained" in _how_searched(plain(score(9, "retrained_score", False, "retrained")))
    given_up = {"by": "stability", "chosen": True}
    rows = plain(Row("lambda_search", "macro_f1_given_up", 0.012, l1=0.001, l2=0.0, flags=given_up))
    assert lambda_text(rows) == "0.001, 0 by stability (gave up 1.2 points of macro-F1 on dev)"


def test_the_chance_of_an_overlap_is_its_rows_own() -> None:
    flags = {"over": "resamples", "chance": 0.013}
    rows = plain(Row("stability", "overlap", 0.4, set="top", k=54, share=0.2, ranking="lca", flags=flags))
    assert stability_text(rows) == "stability: two resamples share 40 % of the top 20% (by chance 1)."
    (short_of,) = plain(Row("stability", "overlap", 0.4, set="top", k=54, share=0.2, flags={**flags, "not_earned": 42}))
    assert "of the top 20% (12 earned, by chance 1)" in stability_text([short_of])


def test_the_primary_ranking_is_the_one_that_is_shown() -> None:
    rows = plain(
        Row("oracle", "accuracy", 0.9, k=100, split="test"),
        *(Row("ablation", "accuracy", value, ranking=name, set="top", k=10, split="test", flags={"fill": "zero"})
          for name, value in (("probeless", 0.5), ("lca", 0.7))),
    )  # fmt: skip
    assert rankings(rows) == ["probeless", "lca"]
    assert [row["value"] for row in of_primary(rows)] == [0.9, 0.5]
    console = Console(record=True, width=200)
    print_summary(console, rows, "verdict", [])
    shown = console.export_text()
    assert "50.0" in shown and "70.0" not in shown and "Neurons by probeless" in shown and "most salient" not in shown
