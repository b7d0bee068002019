"""LCA's closed form against the papers' loop, with ties, zeros and empty labels; the other rankings by hand."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from neuronprobe.activations import Split
from neuronprobe.errors import InputError
from neuronprobe.probes import Fit, Member, Probe
from neuronprobe.rankings import Evidence, checked, lca, magnitude, probeless, ridge
from neuronprobe.rankings.lca import by_mass
from neuronprobe.studies.ranking import neurons_at
from neuronprobe.studies.resamples import resamples
from neuronprobe.types import Ranking
from tests.conftest import MakeSplit, make_trained


def papers_loop(weights: np.ndarray, percents: range) -> list[set[int]]:
    """AAAI 2019 algorithm 1: for each percentage the union over labels of the shortest prefix that holds it."""
    magnitude = np.abs(weights.astype(np.float64))
    sets = []
    for p in percents:
        chosen: set[int] = set()
        for row in magnitude:
            order = np.argsort(-row, kind="stable")
            cumulative = np.cumsum(row[order])
            n = int(np.searchsorted(cumulative, p / 100 * cumulative[-1])) + 1
            chosen |= set(order[:n].tolist())
        sets.append(chosen)
    return sets


def labels_served(ranking: Ranking, k: int) -> dict[int, list[int]]:
    """The labels of each of the first k neurons."""
    found = zip(ranking.order[:k].tolist(), ranking.served(k).T, strict=True)
    return {neuron: own.nonzero().flatten().tolist() for neuron, own in found}


@pytest.mark.parametrize("seed", range(5))
def test_closed_form_equals_the_papers_loop_at_every_percentage(seed: int) -> None:
    weights = torch.from_numpy(np.random.default_rng(seed).laplace(size=(6, 157)))
    ranking = by_mass(weights)
    for p, chosen in enumerate(papers_loop(weights.numpy(), range(100))):
        n = neurons_at(ranking, p / 100) if p else ranking.first_block
        assert set(ranking.order[:n].tolist()) == chosen
    assert neurons_at(ranking, 1.0) == 157


def test_renaming_neurons_renames_the_ranking() -> None:
    weights = torch.from_numpy(np.random.default_rng(3).normal(size=(5, 60)))
    names = torch.from_numpy(np.random.default_rng(4).permutation(60))
    renamed = torch.empty_like(weights)
    renamed[:, names] = weights
    assert torch.equal(by_mass(renamed).order, names[by_mass(weights).order])


def test_each_labels_heaviest_neuron_ties_at_the_front_and_the_larger_share_comes_first() -> None:
    weights = torch.tensor([[5.0, 1.0, 1.0, 1.0], [1.0, 9.0, 0.5, 0.5]])
    ranking = by_mass(weights)
    assert ranking.first_block == 2
    assert ranking.order.tolist() == [1, 0, 2, 3]  # shares .82 and .63 at key 0; then the tied pair, larger share first
    assert ranking.score[2] == ranking.score[3] == pytest.approx(5 / 8)


def test_tied_weights_share_a_key() -> None:
    ranking = by_mass(torch.tensor([[4.0, 2.0, 2.0, 2.0, 1.0]]))
    assert ranking.score[1] == ranking.score[2] == ranking.score[3] == pytest.approx(4 / 11)
    assert ranking.order.tolist() == [0, 1, 2, 3, 4]


def test_zero_weights_come_last_and_are_counted() -> None:
    ranking = by_mass(torch.tensor([[0.0, 1.0, 0.0, 2.0], [0.0, 3.0, 0.0, 1e-30]]))
    assert ranking.order[:2].tolist() == [1, 3] and sorted(ranking.order.tolist()) == [0, 1, 2, 3]
    assert ranking.earned == 2
    assert neurons_at(ranking, 1.0) == 2


def test_tiny_weights_stand_before_zeros_whatever_rounding_does() -> None:
    for seed in range(100):
        weights = torch.from_numpy(np.random.default_rng(seed).random((3, 50)))
        weights[:, 40:45] = 1e-20
        weights[:, 45:] = 0.0
        ranking = by_mass(weights)
        assert sorted(ranking.order[45:].tolist()) == [45, 46, 47, 48, 49]
        assert neurons_at(ranking, 1.0) == 45 and float(ranking.score[:45].max()) < 1


def test_a_label_without_mass_chooses_nothing_and_is_reported() -> None:
    ranking = by_mass(torch.tensor([[0.0, 0.0, 0.0], [1.0, 3.0, 2.0]]))
    assert ranking.massless.tolist() == [True, False]
    assert ranking.order.tolist() == [1, 2, 0]
    assert ranking.first_block == 1
    assert labels_served(ranking, 1) == {1: [1]}


def test_weights_that_are_all_zero_rank_nothing() -> None:
    ranking = by_mass(torch.zeros(2, 3))
    assert (ranking.earned, ranking.first_block, neurons_at(ranking, 1.0)) == (0, 0, 0)
    assert labels_served(ranking, ranking.earned) == {}


def test_the_order_behind_the_earned_neurons_is_drawn_by_the_seed() -> None:
    weights = torch.zeros(2, 300)
    weights[0, :20], weights[1, 10:30] = torch.arange(1.0, 21.0), torch.arange(1.0, 21.0)
    orders = [by_mass(weights, seed).order for seed in range(40)]
    assert len({tuple(order[:30].tolist()) for order in orders}) == 1
    assert torch.equal(by_mass(weights, 3).order, orders[3]) and len({tuple(o[30:].tolist()) for o in orders}) == 40
    last = torch.stack([order[-30:] for order in orders]).double().mean()  # by flat index it would be 284.5
    assert float(last) == pytest.approx((30 + 299) / 2, abs=12)


def test_labels_served_are_those_whose_set_holds_the_neuron() -> None:
    ranking = by_mass(torch.tensor([[9.0, 1.0, 1.0], [8.0, 1.5, 0.5], [0.0, 0.1, 7.0]]))
    assert labels_served(ranking, 2) == {2: [2], 0: [0, 1]}


def test_each_labels_own_order_is_by_magnitude() -> None:
    weights = torch.from_numpy(np.random.default_rng(5).normal(size=(3, 20)))
    for row, depth in zip(weights.abs(), by_mass(weights).by_label, strict=True):
        order = depth.argsort(stable=True)
        assert (row[order].diff() <= 0).all()
        assert (depth[order].diff() > 0).all() and float(depth[order[0]]) == 0
        assert depth[order].numpy() == pytest.approx((row[order].cumsum(0) - row[order]).numpy() / float(row.sum()))


FIT = Fit(1e-3, 1e-4, epochs=2, batch_size=64, lr=0.01)


def evidence(train: Split, probe: Probe | None = None, weights: torch.Tensor | None = None, fit: Fit = FIT) -> Evidence:
    return Evidence(train, train, fit, 0, probe, weights)


def test_probeless_is_the_sum_of_distances_between_label_means(planted: Split) -> None:
    activations = planted.batch(torch.arange(len(planted))).activations.double()
    means = [activations[planted.units.labels == label].mean(0) for label in range(4)]
    by_hand = sum((one - other).abs() for one, other in combinations(means, 2))
    ranking = probeless(evidence(planted))
    torch.testing.assert_close(ranking.score, by_hand)
    assert ranking.order.tolist() == by_hand.argsort(descending=True).tolist()
    assert (ranking.name, ranking.earned) == ("probeless", 40)
    assert set(ranking.order[:4].tolist()) == {7, 18, 25, 31} == set(ranking.by_label.argmin(1).tolist())
    for label, depth in enumerate(ranking.by_label):
        apart = sum((means[label] - other).abs() for other in means)
        order = apart.argsort(descending=True)
        assert depth[order].numpy() == pytest.approx(((apart[order].cumsum(0) - apart[order]) / apart.sum()).numpy())


def test_probeless_of_a_weighting_is_that_of_the_resample_written_out(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(4)
    activations, labels = torch.randn(60, 8, generator=generator), torch.randint(3, (60,), generator=generator)
    labels[:5] = 3  # in the first sentence alone
    split = make_split(activations, labels)
    (weights,) = [own for own in resamples(split.units, 12, seed=0) if float(own[0]) == 0][:1]
    times = (weights / weights[weights > 0].min()).round().long()
    assert int(times.max()) > 1
    written = make_split(activations.repeat_interleave(times, 0), labels.repeat_interleave(times), n_labels=4)
    weighted, by_hand = probeless(evidence(split, weights=weights)), probeless(evidence(written))
    assert weighted.order.tolist() == by_hand.order.tolist() != probeless(evidence(split)).order.tolist()
    torch.testing.assert_close(weighted.score, by_hand.score)
    torch.testing.assert_close(weighted.by_label, by_hand.by_label)
    assert weighted.massless.tolist() == [False, False, False, True]


def test_neurons_that_are_the_same_for_all_labels_are_not_earned_by_probeless(make_split: MakeSplit) -> None:
    activations = torch.randn(100, 6, generator=torch.Generator().manual_seed(0))
    activations[:, 2], activations[:, 4] = 0.0, 0.1  # weighted, the means of the latter differ by rounding
    split = make_split(activations, torch.arange(100) % 7 % 3)
    uneven = torch.rand(100, generator=torch.Generator().manual_seed(1))
    for weights in (None, uneven / uneven.mean(), *resamples(split.units, 5, seed=0)):
        ranking = probeless(evidence(split, weights=weights))
        assert ranking.earned == 4 and set(ranking.order[4:].tolist()) == {2, 4}
        assert bool((ranking.by_label[:, [2, 4]] == 1).all())


def test_magnitude_is_the_mean_weight_and_zero_weights_are_not_earned(planted: Split) -> None:
    weights = torch.randn(4, 40, generator=torch.Generator().manual_seed(6))
    weights[:, 10:15] = 0.0
    weights[1:, 20] = 0.0
    probe = Probe(weights, torch.zeros(4), deviation=torch.linspace(0.5, 2, 40))
    mean = (weights * torch.linspace(0.5, 2, 40)).double().abs().mean(0)
    ranking = magnitude(evidence(planted, probe))
    torch.testing.assert_close(ranking.score, mean)
    assert (ranking.name, ranking.earned) == ("magnitude", 35)
    assert ranking.order[:35].tolist() == mean.argsort(descending=True)[:35].tolist()
    assert set(ranking.order[35:].tolist()) == set(range(10, 15))
    again = magnitude(replace(evidence(planted, probe), seed=1))
    assert torch.equal(again.order[:35], ranking.order[:35]) and not torch.equal(again.order, ranking.order)


def test_ridge_trains_one_probe_without_l1_on_the_weighting(planted: Split) -> None:
    calls = []

    class Spy(Fit):
        def __call__(self, members: list[Member], train: Split) -> list[Probe]:
            calls.append((members, train))
            return super().__call__(members, train)

    fit, weights = Spy(1e-1, 1e-1, epochs=2, batch_size=64, lr=0.01), resamples(planted.units, 1, seed=0)[0]
    ranking = ridge(
        replace(evidence(planted, Probe(torch.zeros(4, 40), torch.zeros(4)), weights, fit), seed=3), l2=0.02
    )
    (((member,), train),) = calls
    assert train is planted and (member.l1, member.l2, member.seed, member.neurons) == (0.0, 0.02, 3, None)
    assert member.weights is weights and member.labels is None
    by_hand = FIT([Member(0.0, 0.02, 3, weights=weights)], planted)[0].weights.double().abs().mean(0)
    torch.testing.assert_close(ranking.score, by_hand)
    assert ranking.name == "ridge" and ranking.order.tolist() == by_hand.argsort(descending=True).tolist()


def test_what_reads_weights_needs_a_probe_and_the_others_do_not(planted: Split) -> None:
    for rank in (lca, magnitude):
        with pytest.raises(InputError, match="needs no probe"):
            rank(evidence(planted))
    assert [rank(evidence(planted)).earned for rank in (probeless, ridge)] == [40, 40]


GOOD = Ranking("mine", torch.arange(40), torch.arange(40.0), 40, torch.zeros(4, 40))


def odd(**changes: object) -> Ranking:
    """The good one with something wrong in it, as it comes where shapes are not checked."""
    found = copy(GOOD)
    for name, value in changes.items():
        object.__setattr__(found, name, value)
    return found


NONSENSE = {
    "a list": ([3, 1, 2], r"must give a neuronprobe\.types\.Ranking"),
    "a path": (odd(name="../mine"), r"must have a name that can be a file's"),
    "too few": (odd(order=torch.arange(39)), r"'mine' must order each of 40 neurons once"),
    "one twice": (odd(order=torch.arange(40).clamp_max(38)), r"must order each of 40 neurons once"),
    "nan": (odd(score=torch.full((40,), float("nan"))), r"must have a finite score for each of 40 neurons"),
    "earned": (odd(earned=41), r"must have earned 0 to 40 neurons"),
    "labels": (odd(by_label=torch.zeros(3, 40)), r"must have a depth from 0 to 1 for each of 4 labels"),
    "depth": (odd(by_label=torch.full((4, 40), 1.5)), r"must have a depth from 0 to 1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_ranking_that_gives_nonsense_is_refused_in_one_line(kind: str, planted: Split) -> None:
    found, message = NONSENSE[kind]
    evidence = make_trained(Probe(torch.zeros(4, 40), torch.zeros(4)), planted).evidence(None)
    with pytest.raises(InputError, match=message):
        checked(lambda _: found)(evidence)
    assert checked(lambda _: GOOD)(evidence) is GOOD


def test_a_ranking_from_scores_is_the_one_that_its_scores_say() -> None:
    scores = torch.tensor([[3.0, 0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 5.0, 0.5, 0.0]])
    found = Ranking.from_scores("mine", scores)
    assert found.order[:3].tolist() == [2, 0, 3] and found.earned == 3, "means 3, 2, 0.25; two have 0"
    torch.testing.assert_close(found.score, scores.double().mean(0))
    below = torch.tensor([[0.0, 1.0, 3 / 4, 1.0, 1.0], [5 / 6.5, 1.0, 0.0, 6 / 6.5, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(found.by_label, below)
    drawn = {tuple(Ranking.from_scores("mine", torch.eye(9)[0], seed).order.tolist()) for seed in range(5)}
    assert len(drawn) > 1 and {order[0] for order in drawn} == {0}, "those of score 0 stand in the seed's order"


def test_a_ranking_from_scores_of_neurons_alone_has_no_neuron_of_a_label(planted: Split) -> None:
    def alone(evidence: Evidence) -> Ranking:
        return Ranking.from_scores("alone", torch.arange(40))

    found = checked(alone)(Evidence(planted, planted, Fit(1e-3, 1e-4), 0))
    assert found.order.tolist() == [*range(39, 0, -1), 0] and found.earned == 39
    assert found.by_label.shape == (4, 40) and bool(found.massless.all())
    own = Ranking.from_scores("alone", torch.arange(40), own=torch.eye(40)[:4]).by_label
    assert [int(row.argmin()) for row in own] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("scores", "got"),
    [(torch.tensor([1.0, -2.0]), "-2.0"), (torch.tensor([float("nan"), 1.0]), "nan"),
     (torch.tensor([1.0, float("inf")]), "inf"), (torch.zeros(0), "none")],
)  # fmt: skip
def test_scores_that_cannot_rank_are_refused(scores: torch.Tensor, got: str) -> None:
    with pytest.raises(InputError, match=rf"scores of ranking mine must be finite and at least 0, .* got {got}; take"):
        Ranking.from_scores("mine", scores)
