"""The minimal neuron set on planted neurons; the papers' loop as witness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from neuronprobe.activations import Split
from neuronprobe.callbacks import MinimalSet
from neuronprobe.errors import InputError
from neuronprobe.neurons import bottom
from neuronprobe.probes import Fit, Member, Probe, score
from neuronprobe.rankings.lca import by_mass
from neuronprobe.studies import minimal_set
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.sets import neuron_sets
from neuronprobe.types import Ranking, Result, Row
from tests.conftest import MakeSplit, make_trained

SETTINGS: dict[str, Any] = {"l1": 1e-3, "l2": 1e-4, "epochs": 8, "batch_size": 250, "lr": 0.05}
FIT = Fit(**SETTINGS)
PLANTED = {7, 18, 25, 31}
Planted = tuple[Split, dict[str, Split], Probe, Ranking]


@pytest.fixture
def task(make_split: MakeSplit) -> Planted:
    """Train, dev and test with the same planted neurons, a probe on all neurons and its ranking."""
    torch.set_num_threads(1)

    def draw(n: int, seed: int) -> Split:
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(4, (n,), generator=generator)
        activations = torch.randn(n, 40, generator=generator)
        for label, neuron in enumerate(sorted(PLANTED)):
            activations[:, neuron] += 3.0 * (labels == label)
        return make_split(activations, labels, layers=4)

    train = draw(1000, 1)
    probe = FIT([Member(1e-3, 1e-4)], train)[0]
    return train, {"dev": draw(800, 2), "test": draw(700, 3)}, probe, by_mass(probe.weights)


def study(task: Planted, tolerances: list[float], fit: Fit = FIT, search: str = "bank", draws: int = 3) -> Result:
    train, splits, probe, ranking = task
    return minimal_set(make_trained(probe, train, splits, fit, {"lca": ranking}), tolerances, draws, search)


def rows_of(found: Result, **wanted: object) -> list[Row]:
    return [r for r in found.rows if all(r.as_dict().get(key) == value for key, value in wanted.items())]


def one(found: Result, **wanted: object) -> Row:
    (row,) = rows_of(found, **wanted)
    return row


class Spy(Fit):
    """Trains as `fit` does, and notes how many neurons the members of each bank have."""

    def __init__(self, banks: list[list[int]], fit: Fit) -> None:
        super().__init__(**SETTINGS)
        self.banks, self.inner = banks, fit

    def __call__(self, members: Sequence[Member], train: Split) -> list[Probe]:
        self.banks.append([len(member.neurons) for member in members if member.neurons is not None])
        return self.inner(members, train)


def papers_loop(task: Planted, tolerance: float) -> int | None:
    """JMLR 2023 algorithm 4, one probe at a time, with the misprinted first condition set right."""
    train, splits, probe, ranking = task
    oracle = float(score([probe], splits["dev"]).accuracy)
    for k in range(1, 41):
        retrained = FIT([Member(probe.l1, probe.l2, probe.seed, ranking.order[:k])], train)
        if round(oracle - float(score(retrained, splits["dev"]).accuracy), 9) < tolerance:
            return k
    return None


def test_the_minimal_set_is_the_planted_neurons(task: Planted) -> None:
    found = study(task, [0.02])
    (minimum,) = found.handed
    assert minimum.probe is not None and set(minimum.probe.neurons.tolist()) == PLANTED
    row = one(found, study="minimal_set", metric="neurons")
    assert (row.value, row.k, row.share, row.flags["tolerance"]) == (4.0, 4, 0.1, 0.02)


def test_both_searches_agree_with_the_papers_loop(task: Planted) -> None:
    tolerances = [0.02, 0.2, 0.4]
    by_hand = [papers_loop(task, t) for t in tolerances]
    assert by_hand[0] != by_hand[2]
    for search in ("bank", "bisection"):
        found = study(task, tolerances, search=search, draws=1)
        assert [minimum.k for minimum in found.handed] == by_hand


def test_dev_decides_and_test_is_only_reported(task: Planted, make_split: MakeSplit) -> None:
    train, splits, probe, ranking = task
    noise = make_split(torch.randn(300, 40, generator=torch.Generator().manual_seed(8)), torch.arange(300) % 4)
    found = study((train, {"dev": splits["dev"], "test": noise}, probe, ranking), [0.02])
    assert found.handed[0].k == 4
    assert one(found, study="minimal_set", metric="accuracy", split="test").value < 0.4
    assert {row.split for row in rows_of(found, metric="searched_accuracy")} == {"dev"}
    swapped = study((train, {"dev": noise, "test": splits["dev"]}, probe, ranking), [0.02])
    assert swapped.handed[0].k != 4


class Line(Fit):
    """Trains nothing: a probe on k neurons is right in rise(k) of the units."""

    def __init__(self, rise: Callable[[int], float]) -> None:
        super().__init__(**SETTINGS)
        self.rise = rise

    def __call__(self, members: Sequence[Member], train: Split) -> list[Probe]:
        found = []
        for member in members:
            weights = torch.zeros(2, len(member.neurons))
            weights[1, member.neurons == 99] = 1.0
            bias = torch.tensor([self.rise(len(member.neurons)) - 1e-4, 0.0])
            found.append(Probe(weights, bias, member.neurons))
        return found


def line(make_split: MakeSplit, rise: Callable[[int], float]) -> tuple[Planted, Fit]:
    """A dev of 200 units, all of label 0, where a probe on k neurons is right in rise(k) of them; the oracle in all."""
    n = 200
    activations = torch.zeros(n, 100)
    activations[:, 99] = torch.arange(n) / n
    split = make_split(activations, torch.zeros(n, dtype=torch.long), n_labels=2)
    order = torch.cat([torch.tensor([99]), torch.arange(99)])
    ranking = replace(by_mass(torch.ones(2, 100)), order=order)
    oracle = Probe(torch.zeros(2, 100), torch.tensor([1.0, 0.0]))
    return (split, {"dev": split, "test": split}, oracle, ranking), Line(rise)


def test_the_line_of_the_fake_is_what_it_promises(make_split: MakeSplit) -> None:
    (split, _, _, ranking), fit = line(make_split, lambda k: k / 100)
    found = score(fit([Member(neurons=ranking.order[:k]) for k in (1, 50, 100)], split), split).accuracy
    assert found.tolist() == [0.01, 0.5, 1.0]


def test_the_bank_goes_up_percent_by_percent_and_no_further_than_it_must(make_split: MakeSplit) -> None:
    task, fit = line(make_split, lambda k: k / 100)
    banks: list[list[int]] = []
    found = study(task, [0.85, 0.695, 0.495], Spy(banks, fit), draws=1)
    assert [minimum.k for minimum in found.handed] == [16, 31, 51]  # 84 points lost by 16 %, 69 by 31 %, 49 by 51 %
    assert banks[:-1] == [list(range(1, 21)), *(list(range(k, k + 10)) for k in (21, 31, 41, 51))]
    assert banks[-1] == [16, 16, 31, 31, 51, 51]  # random and bottom; the top was trained before
    banks.clear()
    study(task, [0.85], Spy(banks, fit), draws=1)
    assert banks == [list(range(1, 21)), [16, 16]]


def test_the_bank_finds_the_smallest_size_where_larger_ones_fail_again(make_split: MakeSplit) -> None:
    enough = {22, 29, *range(30, 101)}
    task, fit = line(make_split, lambda k: 0.9 if k in enough else 0.5)
    found = study(task, [0.2], fit, draws=1)
    assert found.handed[0].k == 22
    row = one(found, metric="neurons")
    assert (row.k, row.flags["every_step_tried"], row.flags["steps_untried"]) == (22, True, 0)
    assert row.flags["largest_failed"] == 21
    assert [r.k for r in rows_of(found, metric="searched_accuracy")] == list(range(1, 31))


def test_bisection_says_which_smaller_sizes_it_skipped(make_split: MakeSplit) -> None:
    enough = {22, 29, *range(30, 101)}
    task, fit = line(make_split, lambda k: 0.9 if k in enough else 0.5)
    banks: list[list[int]] = []
    found = study(task, [0.2], Spy(banks, fit), "bisection", draws=1)
    row = one(found, metric="neurons")
    assert row.k == 29, "halving takes accuracy to rise with size"
    below = [k for bank in banks[:-1] for k in bank if k < 29]
    assert (row.flags["every_step_tried"], row.flags["steps_untried"]) == (False, 28 - len(below))
    assert row.flags["largest_failed"] == max(below) == 28


def test_of_a_search_that_found_nothing_the_row_says_how_much_it_tried(make_split: MakeSplit) -> None:
    task, fit = line(make_split, lambda k: 0.5)
    tried = {}
    for search in ("bank", "bisection"):
        row = one(study(task, [0.2], fit, search, draws=1), metric="neurons")
        assert row.k is None and row.flags["largest_failed"] == 100
        tried[search] = (row.flags["every_step_tried"], row.flags["steps_untried"] + row.flags["n_trained"])
    assert tried == {"bank": (True, 100), "bisection": (False, 100)}


def test_few_neurons_are_tried_one_by_one(task: Planted) -> None:
    row = one(study(task, [0.02]), metric="neurons")
    assert (row.k, row.flags["every_step_tried"], row.flags["largest_failed"]) == (4, True, 3)


@pytest.mark.parametrize("search", ["bank", "bisection"])
def test_the_page_claims_the_smallest_only_where_every_step_was_tried(make_split: MakeSplit, search: str) -> None:
    task, fit = line(make_split, lambda k: k / 100)
    found = study(task, [0.395], fit, search, draws=1)
    (table,), (figure,) = found.tables, found.figures
    if search == "bank":
        assert table.heading.startswith("Minimal neuron sets: the smallest top set by lca, in steps of 1 %, within")
        assert table.body[0][1] == "61 (61 %)"
    else:
        assert table.heading.startswith("Minimal neuron sets: the smallest top set by lca that was tried, within")
        untried = one(found, metric="neurons").flags["steps_untried"]
        assert untried and table.body[0][1] == f"61 (61 %); {untried} smaller sizes were not tried"
    (curve,) = figure.series
    assert [x for x, hollow in zip(curve.x, curve.flagged, strict=True) if hollow] == [61]
    task, fit = line(make_split, lambda k: 0.5)
    (table,) = study(task, [0.2], fit, search, draws=1).tables
    assert table.body[0][1].startswith("none") and ("not tried" in table.body[0][1]) == (search == "bisection")


def test_bisection_trains_few_sizes_and_finds_the_same(make_split: MakeSplit) -> None:
    task, fit = line(make_split, lambda k: k / 100)
    banks: list[list[int]] = []
    found = study(task, [0.85, 0.395, 0.025], Spy(banks, fit), "bisection", draws=1)
    assert [minimum.k for minimum in found.handed] == [16, 61, 98]
    tops = [k for bank in banks[:-1] for k in bank]
    assert len(banks) <= 8 and len(tops) == len(set(tops)) <= 18  # what one tolerance trained serves the others


def test_a_loss_of_exactly_the_tolerance_is_too_much(make_split: MakeSplit) -> None:
    task, fit = line(make_split, lambda k: k / 100)
    assert study(task, [0.9], fit, draws=1).handed[0].k == 11


@pytest.mark.parametrize("search", ["bank", "bisection"])
def test_if_even_all_neurons_are_not_within_a_row_says_so(make_split: MakeSplit, search: str) -> None:
    task, fit = line(make_split, lambda k: 0.9 * k / 100)
    found = study(task, [0.05, 0.5], fit, search, draws=1)
    assert [minimum.k for minimum in found.handed] == [None, 56]
    row = one(found, study="minimal_set", metric="neurons", tolerance=0.05)
    assert row.value is None and row.k is None and row.flags["within_tolerance"] is False
    assert row.flags["least_lost"] == pytest.approx(0.1)
    assert rows_of(found, study="redundancy", tolerance=0.05) == []
    alone = study(task, [0.05], fit, search, draws=1)
    assert one(alone, metric="neurons").value is None and alone.correct == {}


def test_random_and_bottom_of_the_same_size_stand_beside_it(task: Planted) -> None:
    train, splits, probe, ranking = task
    found = study(task, [0.02, 0.5], draws=3)
    k = found.handed[0].k
    drawn = neuron_sets({"lca": ranking}, train.neurons, {k: 3}, ["random"], 0)
    for name, draw, neurons in (("bottom", None, bottom(ranking.order, k)), ("random", 1, drawn[1].neurons)):
        by_hand = FIT([Member(probe.l1, probe.l2, probe.seed, neurons)], train)
        row = one(found, study="redundancy", metric="accuracy", set=name, draw=draw, split="test", tolerance=0.02)
        assert row.value == pytest.approx(float(score(by_hand, splits["test"]).accuracy))
        assert (row.k, row.mode, row.l1, row.l2) == (k, "retrained", 1e-3, 1e-4) and row.low <= row.value <= row.high
    mean = one(found, study="redundancy", metric="mean_accuracy", set="random", split="test", tolerance=0.02)
    draws = rows_of(found, study="redundancy", metric="accuracy", set="random", split="test", tolerance=0.02)
    assert len(draws) == 3 and mean.value == pytest.approx(sum(row.value for row in draws) / 3)
    gain = one(found, study="redundancy", metric="accuracy_difference", against="random", tolerance=0.02)
    assert gain.value > 0.3 and gain.low > 0
    assert {row.flags["tolerance"] for row in rows_of(found, study="redundancy")} == {0.02, 0.5}


def test_what_is_lost_against_the_oracle_is_paired(task: Planted) -> None:
    _, splits, probe, _ = task
    found = study(task, [0.02])
    minimum = found.handed[0].probe
    row = one(found, study="minimal_set", metric="accuracy_lost", set="top", split="test")
    both = score([probe, minimum], splits["test"])
    assert row.value == pytest.approx(float(both.accuracy[0] - both.accuracy[1]))
    ends = Bootstrap(both.units, 0).ends(both.correct[:1] - both.correct[1:])
    assert [row.low, row.high] == pytest.approx(ends[0].tolist())
    assert one(found, study="redundancy", metric="accuracy_lost", set="bottom", split="dev").value > 0.3
    assert found.correct["minimal_set/lca/top-4"].tolist() == both.correct[1].tolist()


def test_of_all_rankings_each_has_its_minimal_set_and_the_primary_ones_are_handed_on(task: Planted) -> None:
    train, splits, probe, ranking = task
    last_first = replace(ranking, name="other", order=ranking.order.flip(0))
    trained = make_trained(probe, train, splits, FIT, {"lca": ranking, "other": last_first})
    found = minimal_set(trained, [0.02], 2, rankings="all")
    (minimum,) = found.handed
    assert set(minimum.probe.neurons.tolist()) == PLANTED
    sizes = {name: one(found, study="minimal_set", metric="neurons", ranking=name).k for name in ("lca", "other")}
    assert sizes["lca"] == 4 and sizes["other"] > 30  # what is best stands at the end of it
    alone = study((train, splits, probe, last_first), [0.02], draws=2)
    assert alone.handed[0].k == sizes["other"]
    for study_ in ("minimal_set", "redundancy"):
        own = [replace(row, ranking="lca") for row in rows_of(found, study=study_, ranking="other")]
        assert own and own == rows_of(alone, study=study_)
    names = {"minimal_set/{}/top-{}", "redundancy/{}/random-{}", "redundancy/{}/bottom-{}"}
    assert set(found.correct) == {name.format(which, k) for name in names for which, k in sizes.items()}
    assert {row.ranking for row in minimal_set(trained, [0.02], 2).rows} == {"lca"}
    with pytest.raises(InputError, match=r"rankings must be .*got 'both'"):
        minimal_set(trained, [0.02], 2, rankings="both")


@pytest.mark.parametrize("bad", [0, 1, 1.5, -0.01, "one", True, [0.01, 1.0], [], float("nan")])
def test_a_tolerance_that_is_no_fraction_is_refused(bad: object) -> None:
    with pytest.raises(
        InputError, match=r"tolerances must be fractions of accuracy between 0 and 1.*one point is 0\.01"
    ):
        MinimalSet(bad)
