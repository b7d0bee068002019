"""The verdict on the top neurons: its grades by rows of every kind, and its rate of false praise on planted data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from jaxtyping import config

from benchmarks.verdict import called_better, permutation, ranked
from neuronprobe.activations import Split
from neuronprobe.probes import Fit, Member, Probe, score
from neuronprobe.rankings.lca import by_mass
from neuronprobe.report.verdict import judge
from neuronprobe.studies import ablation
from neuronprobe.types import Row
from tests.conftest import MakeSplit, make_trained

N = 1000
SIZES = (100, 200)
FILLS = ("zero", "mean")
RIVALS = ("random", "layer_matched", "majority")
DRAWS = 199
Plain = list[dict[str, Any]]


def difference(rival: str, k: int, fill: str, value: float, p: float, n_draws: int, metric: str) -> dict[str, Any]:
    drawn = {} if rival == "majority" else {"p": p, "n_draws": n_draws}
    flags = {"against": rival, "fill": fill, **drawn}
    place: dict[str, Any] = {"set": "top", "k": k, "split": "test", "low": value - 0.01, "high": value + 0.01}
    return Row("ablation", f"{metric}_difference", value, flags=flags, **place).as_dict()


def rows(
    *also: Row, sizes: tuple[int, ...] = SIZES, n_draws: int = DRAWS, metric: str = "accuracy", not_earned: int = 0,
    **gains: float | tuple[float, float],
) -> Plain:  # fmt: skip
    """A job in which the top gains .1 over every rival unless `gains` say otherwise, as (difference, p).

    They are named after the rival and, where it is said of one fill or size alone, these: random, random_mean,
    random_mean_200.
    """
    found = [Row("oracle", "accuracy", 0.9, k=N, split="test").as_dict(), *(row.as_dict() for row in also)]
    for k in sizes:
        flags = {"not_earned": not_earned} if not_earned else {}
        found.append(Row("ablation", "accuracy", 0.8, set="top", k=k, split="test", flags=flags).as_dict())
        for rival in RIVALS:
            for fill in FILLS:
                names = (f"{rival}_{fill}_{k}", f"{rival}_{fill}", rival)
                value = next((gains[name] for name in names if name in gains), (0.1, 1 / (1 + n_draws)))
                gain, p = value if isinstance(value, tuple) else (value, 0.5)
                found.append(difference(rival, k, fill, gain, p, n_draws, metric))
    return found


def test_what_the_top_beats_is_named_in_one_sentence() -> None:
    text, beaten = judge(rows())
    assert beaten == RIVALS
    assert text == (
        "Top beats random sets, random sets of the same layers and the most frequent label: +10.0 points [+9.0, +11.0] "
        "with 10% kept (zero fill; 0 of 199 random sets reach it, p = 0.005) and +10.0 points [+9.0, +11.0] with 20% "
        "kept (zero fill; 0 of 199 random sets reach it, p = 0.005)."
    )


def test_random_sets_are_beaten_by_draws_and_not_by_an_interval() -> None:
    assert judge(rows(random=(0.1, 0.025), layer_matched=(0.1, 0.025))).beaten == RIVALS
    text, beaten = judge(rows(random=(0.1, 0.03)))  # the mean of the draws lies far below the top, many draws do not
    assert beaten == () and text.startswith("Top does not beat random sets: +10.0 points [+9.0, +11.0]")
    assert "must not be read as saliency" in text


@pytest.mark.parametrize("place", [f"random_{fill}_{k}" for fill in FILLS for k in SIZES])
def test_random_sets_must_be_beaten_at_both_sizes_with_both_fills(place: str) -> None:
    text, beaten = judge(rows(**{place: (0.02, 0.03)}))
    fill = place.split("_")[1]
    assert beaten == () and text.startswith(f"Top does not beat random sets with {fill} fill: ")
    share = {"100": "10%", "200": "20%"}[place.split("_")[2]]
    assert f"+2.0 points [+1.0, +3.0] with {share} kept ({fill} fill; 5 of 199 random sets reach it, p = 0.03)" in text


def test_what_both_fills_fail_is_said_of_none() -> None:
    assert judge(rows(random=(-0.02, 0.8))).text.startswith("Top does not beat random sets: -2.0 points [-3.0, -1.0]")


def test_a_top_below_the_most_frequent_label_beats_random_sets_alone() -> None:
    text, beaten = judge(rows(majority=0.914 - 0.926))
    assert beaten == ("random", "layer_matched")
    assert text.startswith("Top beats random sets and random sets of the same layers: +10.0 points")
    assert (
        "; it does not beat the most frequent label: -1.2 points [-2.2, -0.2] with 10% kept (zero fill) and -1.2"
        in text
    )


def test_the_most_frequent_label_is_beaten_where_the_interval_leaves_zero_out() -> None:
    assert "majority" not in judge(rows(majority=0.009)).beaten
    assert "majority" in judge(rows(majority=0.011)).beaten
    text, beaten = judge(rows(majority_mean_100=-0.05))
    assert beaten == ("random", "layer_matched") and "the most frequent label with mean fill: -5.0" in text


def test_sets_of_the_same_layers_that_are_better_are_named() -> None:
    text, beaten = judge(rows(layer_matched=(-0.03, 0.9)))
    assert beaten == ("random", "majority")
    assert text.startswith("Top beats random sets and the most frequent label: ")
    assert (
        "; it does not beat random sets of the same layers: -3.0 points [-4.0, -2.0] with 10% kept (zero fill; 179"
        in text
    )
    text, beaten = judge(rows(layer_matched_zero=(0.03, 0.2)))
    assert "random sets of the same layers with zero fill: +3.0" in text and beaten == ("random", "majority")


def test_the_weaker_fill_is_the_one_that_is_told() -> None:
    text = judge(rows(random_mean=(0.04, 0.005), random_zero=(0.3, 0.005))).text
    assert "+4.0 points [+3.0, +5.0] with 10% kept (mean fill; 0" in text and "zero fill" not in text
    text = judge(rows(random_mean=(0.2, 0.04))).text  # the larger difference can be the less certain one
    assert text.startswith("Top does not beat random sets with mean fill: +20.0") and "(zero fill" not in text
    assert "mean fill" in judge(rows(random_mean=(0.2, 0.02))).text
    text = judge(rows(random_zero=(-0.05, 0.7), random_mean=(0.0, 1.0))).text  # of two that fail the larger loss
    assert text.startswith("Top does not beat random sets: -5.0 points") and "0.0 points [" not in text[40:46]


def test_39_draws_are_enough_for_two_sizes_and_79_for_one() -> None:
    assert judge(rows(n_draws=39)).beaten == RIVALS
    text, beaten = judge(rows(n_draws=38))
    assert beaten == () and text.startswith("Whether top beats random sets was not tested: it takes 39 draws, there")
    for size, share in zip(SIZES, ("10%", "20%"), strict=True):
        text, beaten = judge(rows(sizes=(size,), n_draws=79))
        assert beaten == RIVALS and f"with {share} kept" in text
        text, beaten = judge(rows(sizes=(size,), n_draws=39))
        assert beaten == () and "not tested: it takes 79 draws, there are 39; raise callbacks.ablation" in text


def test_one_size_alone_takes_smaller_odds() -> None:
    assert judge(rows(sizes=(100,), random=(0.1, 0.0125), layer_matched=(0.1, 0.0125))).beaten == RIVALS
    assert judge(rows(sizes=(100,), random=(0.1, 0.015))).beaten == ()
    few = [{**row, "k": 1} if row["study"] == "ablation" else {**row, "k": 5} for row in rows(sizes=(100,), n_draws=39)]
    assert "it takes 79 draws" in judge(few).text  # 10 and 20 % of 5 neurons are the same one


def test_what_was_not_measured_is_not_judged() -> None:
    assert judge([]).text.startswith("Whether top beats random sets was not measured")
    one_fill = [row for row in rows() if row.get("fill") != "mean"]
    text, beaten = judge(one_fill)
    assert beaten == () and "was not measured" in text and "both fills" in text
    for rival in ("layer_matched", "majority"):
        without = [row for row in rows() if row.get("against") != rival]
        assert judge(without).beaten == tuple(name for name in RIVALS if name != rival)


def steps(value: float) -> Row:
    return Row("training", "optimizer_steps", value, flags={"fewest": 400})


def residual(converged: bool | None, chosen: bool) -> Row:
    flags = {"chosen": chosen, "converged": converged, "unique": True}
    return Row("lambda_search", "kkt_residual", 3e-4, split="train", flags=flags)


def test_few_steps_an_unsolved_probe_and_a_top_not_earned_withhold_the_verdict() -> None:
    text, beaten = judge(rows(steps(399.0)))
    assert beaten == () and text.startswith("No verdict on the top neurons: the probe took 399 optimizer steps")
    assert judge(rows(steps(400.0))).beaten == RIVALS
    text, beaten = judge(rows(residual(True, False), residual(False, True)))
    assert beaten == () and text.startswith("No verdict on the top neurons: the probe did not come to its optimum (KKT")
    for converged, chosen in ((True, True), (None, True), (False, False)):
        assert judge(rows(residual(converged, chosen))).beaten == RIVALS
    text, beaten = judge(rows(not_earned=51))
    assert beaten == () and "of the top 100 the ranking earned 49, the others stand in a drawn order" in text
    assert judge(rows(not_earned=50)).beaten == RIVALS


def test_the_verdict_goes_by_the_metric_of_the_job() -> None:
    found = rows() + rows(metric="macro_f1", random=(0.01, 0.4))
    assert judge(found).beaten == RIVALS
    text, beaten = judge(found, "macro_f1")
    assert beaten == () and "points of macro-F1" in text


def planted_split(make_split: MakeSplit, seed: int, n: int) -> Split:
    """80 neurons of 4 layers and 4 labels: two carry each label, every other one has a trace of a label."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (n,), generator=generator)
    activations = torch.randn(n, 80, generator=generator)
    activations += 0.25 * (labels[:, None] == torch.arange(80) % 4)
    for label in range(4):
        activations[:, [10 * label + 3, 10 * label + 43]] += 1.5 * (labels == label)[:, None]
    return make_split(activations, labels, layers=4)


@pytest.fixture
def trained(make_split: MakeSplit) -> Iterator[tuple[Probe, Split, Split]]:
    """A probe with its train and test split; shapes are not checked, which takes most of the time."""
    torch.set_num_threads(1)
    train, test = planted_split(make_split, 1, 1500), planted_split(make_split, 2, 400)
    config.update("jaxtyping_disable", True)
    yield Fit(1e-4, 1e-4, epochs=6, batch_size=64, lr=0.01)([Member(1e-4, 1e-4)], train)[0], train, test
    config.update("jaxtyping_disable", False)


def test_p_counts_the_draws_that_reach_the_top(trained: tuple[Probe, Split, Split]) -> None:
    probe, train, test = trained
    ranking = permutation(80, 2)
    given = make_trained(probe, train, {"test": test}, Fit(0.0, 0.0, seed=5), {"drawn": ranking})
    found = ablation(given, [0.1, 4], 3, tested_draws=15).rows
    flat = [row.as_dict() for row in found]
    for k, n_draws in ((8, 15), (4, 3)):
        (top,) = [
            r["value"] for r in flat if (r["metric"], r["set"], r["k"], r["fill"]) == ("accuracy", "top", k, "zero")
        ]
        assert top == pytest.approx(float(score([probe.keep(ranking.order[:k])], test).accuracy))
        own = [r for r in flat if (r["metric"], r["set"], r["k"], r["fill"]) == ("accuracy", "random", k, "zero")]
        assert len(own) == n_draws
        (row,) = [r for r in flat if (r["metric"], r.get("against"), r["k"], r["fill"]) ==
                  ("accuracy_difference", "random", k, "zero")]  # fmt: skip
        assert row["n_draws"] == n_draws
        assert row["p"] == (1 + sum(r["value"] >= top for r in own)) / (1 + n_draws)
        assert row["value"] == pytest.approx(top - sum(r["value"] for r in own) / n_draws)


def test_a_draw_as_good_as_the_top_counts_against_it(trained: tuple[Probe, Split, Split]) -> None:
    probe, train, test = trained
    same = Probe(torch.zeros(4, 80), probe.bias)  # all sets are equally good
    given = make_trained(same, train, {"test": test}, Fit(0.0, 0.0, seed=5), {"drawn": permutation(80, 2)})
    found = ablation(given, [0.1], 39).rows
    assert {row.flags["p"] for row in found if "p" in row.flags} == {1.0}


@pytest.mark.slow
def test_permutations_are_seldom_called_better_than_random_and_planted_rankings_always(
    trained: tuple[Probe, Split, Split],
) -> None:
    probe, train, test = trained
    order = by_mass(probe.trained_weights).order
    assert set(order[:8].tolist()) == {10 * label + start for label in range(4) for start in (3, 43)}
    drawn = [permutation(80, seed) for seed in range(400)]
    assert sum(called_better(probe, drawn, train, test)) <= 16
    planted = [
        ranked(torch.cat([order[:8][p.order[p.order < 8]], order[8:][p.order[p.order < 72]]])) for p in drawn[:100]
    ]
    assert all(called_better(probe, planted, train, test))
