"""LCA's closed form against the papers' loop, and what it does with ties, zeros and empty labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuronprobe.rankings import lca


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


@pytest.mark.parametrize("seed", range(5))
def test_closed_form_equals_the_papers_loop_at_every_percentage(seed: int) -> None:
    weights = torch.from_numpy(np.random.default_rng(seed).laplace(size=(6, 157)))
    ranking = lca(weights)
    for p, chosen in enumerate(papers_loop(weights.numpy(), range(100))):
        assert set(ranking.order[: ranking.cuts[p]].tolist()) == chosen
    assert ranking.cuts[100] == 157


def test_renaming_neurons_renames_the_ranking() -> None:
    weights = torch.from_numpy(np.random.default_rng(3).normal(size=(5, 60)))
    names = torch.from_numpy(np.random.default_rng(4).permutation(60))
    renamed = torch.empty_like(weights)
    renamed[:, names] = weights
    assert torch.equal(lca(renamed).order, names[lca(weights).order])


def test_each_labels_heaviest_neuron_ties_at_the_front_and_the_larger_share_comes_first() -> None:
    weights = torch.tensor([[5.0, 1.0, 1.0, 1.0], [1.0, 9.0, 0.5, 0.5]])
    ranking = lca(weights)
    assert ranking.first_block == 2
    assert ranking.order.tolist() == [1, 0, 2, 3]  # shares .82 and .63 at key 0; then the tied pair, larger share first
    assert ranking.score[2] == ranking.score[3] == pytest.approx(5 / 8)


def test_tied_weights_share_a_key() -> None:
    ranking = lca(torch.tensor([[4.0, 2.0, 2.0, 2.0, 1.0]]))
    assert ranking.score[1] == ranking.score[2] == ranking.score[3] == pytest.approx(4 / 11)
    assert ranking.order.tolist() == [0, 1, 2, 3, 4]


def test_zero_weights_come_last_and_are_counted() -> None:
    ranking = lca(torch.tensor([[0.0, 1.0, 0.0, 2.0], [0.0, 3.0, 0.0, 1e-30]]))
    assert ranking.order[:2].tolist() == [1, 3] and sorted(ranking.order.tolist()) == [0, 1, 2, 3]
    assert ranking.earned == 2
    assert ranking.cuts[100] == 2


def test_tiny_weights_stand_before_zeros_whatever_rounding_does() -> None:
    for seed in range(100):
        weights = torch.from_numpy(np.random.default_rng(seed).random((3, 50)))
        weights[:, 40:45] = 1e-20
        weights[:, 45:] = 0.0
        ranking = lca(weights)
        assert sorted(ranking.order[45:].tolist()) == [45, 46, 47, 48, 49]
        assert ranking.cuts[100] == 45 and float(ranking.score[:45].max()) < 1


def test_a_label_without_mass_chooses_nothing_and_is_reported() -> None:
    ranking = lca(torch.tensor([[0.0, 0.0, 0.0], [1.0, 3.0, 2.0]]))
    assert ranking.massless.tolist() == [True, False]
    assert ranking.order.tolist() == [1, 2, 0]
    assert ranking.first_block == 1
    assert ranking.labels_served(1) == {1: [1]}


def test_weights_that_are_all_zero_rank_nothing() -> None:
    ranking = lca(torch.zeros(2, 3))
    assert (ranking.earned, ranking.first_block, ranking.cuts[100]) == (0, 0, 0)
    assert ranking.labels_served(ranking.earned) == {}


def test_the_order_behind_the_earned_neurons_is_drawn_by_the_seed() -> None:
    weights = torch.zeros(2, 300)
    weights[0, :20], weights[1, 10:30] = torch.arange(1.0, 21.0), torch.arange(1.0, 21.0)
    orders = [lca(weights, seed).order for seed in range(40)]
    assert len({tuple(order[:30].tolist()) for order in orders}) == 1
    assert torch.equal(lca(weights, 3).order, orders[3]) and len({tuple(o[30:].tolist()) for o in orders}) == 40
    last = torch.stack([order[-30:] for order in orders]).double().mean()  # by flat index it would be 284.5
    assert float(last) == pytest.approx((30 + 299) / 2, abs=12)


def test_labels_served_are_those_whose_set_holds_the_neuron() -> None:
    ranking = lca(torch.tensor([[9.0, 1.0, 1.0], [8.0, 1.5, 0.5], [0.0, 0.1, 7.0]]))
    assert ranking.labels_served(2) == {2: [2], 0: [0, 1]}


def test_each_labels_own_order_is_by_magnitude() -> None:
    weights = torch.from_numpy(np.random.default_rng(5).normal(size=(3, 20)))
    for row, order in zip(weights.abs(), lca(weights).by_label, strict=True):
        assert (row[order].diff() <= 0).all()
