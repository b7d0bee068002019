"""Agreement of rankings by hand, chance by simulation, and the vote by its paper's own count."""

from __future__ import annotations

import pytest
import torch

from neuronprobe import rankings
from neuronprobe.activations import Split
from neuronprobe.errors import InputError
from neuronprobe.neurons import random
from neuronprobe.probes import Probe
from neuronprobe.rankings import Evidence, probeless
from neuronprobe.rankings.borda import points
from neuronprobe.studies import agreement
from neuronprobe.studies.agreement import _Agreement, chance, jaccard
from neuronprobe.types import Ranking, Row
from tests.conftest import make_trained


def ordered(name: str, order: torch.Tensor, earned: int | None = None) -> Ranking:
    n = len(order)
    score = torch.zeros(n).scatter_(0, order, torch.arange(n, 0, -1.0))
    return Ranking(name, order, score, n if earned is None else earned, torch.ones(4, n))


def rows_of(planted: Split, *rankings: Ranking, k: int = 4) -> list[Row]:
    trained = make_trained(Probe(torch.zeros(4, 40), torch.zeros(4)), planted, rankings={r.name: r for r in rankings})
    return list(agreement(trained, [k]).rows)


def value(rows: list[Row], metric: str, ranking: str, against: str | None = None) -> float:
    (found,) = [
        row for row in rows if (row.metric, row.ranking, row.flags.get("against")) == (metric, ranking, against)
    ]
    assert found.value is not None
    return found.value


def test_overlap_and_its_mean_are_counted(planted: Split) -> None:
    one, other = torch.arange(40), torch.tensor([2, 3, 4, 5, 0, 1, *range(6, 40)])
    rows = rows_of(planted, ordered("a", one), ordered("b", other), ordered("c", one.flip(0)))
    assert value(rows, "overlap", "a", "b") == pytest.approx(2 / 6)
    assert value(rows, "overlap", "a", "c") == value(rows, "overlap", "b", "c") == 0
    assert value(rows, "average_overlap", "a") == pytest.approx(1 / 6)
    assert value(rows, "rank_correlation", "a", "c") == pytest.approx(-1)
    assert {row.flags["chance"] for row in rows if row.k} == {chance(40, 4)}


@pytest.mark.filterwarnings("error")
def test_a_ranking_that_earned_nothing_has_no_rank_correlation(planted: Split) -> None:
    one = torch.arange(40)
    rows = rows_of(planted, ordered("a", one), ordered("b", one.flip(0), earned=0))
    assert [row.value for row in rows if row.metric == "rank_correlation"] == [None]


def test_a_ranking_has_no_vote_in_what_it_is_compared_with(planted: Split) -> None:
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    rows = rows_of(planted, ordered("a", order.flip(0)), ordered("b", order), ordered("c", order))
    assert value(rows, "neuron_vote", "a") == 0


def test_neurons_of_equal_points_have_no_order_of_their_own_in_the_vote(planted: Split) -> None:
    """Judged by two that cancel out, any ranking agrees with the vote as chance does, the first neurons too."""
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    judges = ordered("b", order), ordered("c", order.flip(0))
    for one in (torch.arange(40), torch.arange(40).flip(0), order):
        found = [_Agreement({r.name: r for r in (ordered("a", one), *judges)}, seed) for seed in range(300)]
        votes = [value(list(own.rows([4])), "neuron_vote", "a") for own in found]
        assert sum(votes) / 300 == pytest.approx(chance(40, 4), abs=0.025)
    drawn = rankings.random(Evidence(planted, planted, None, 3))
    assert jaccard(drawn.order[:4], _Agreement({}, 3)._vote(torch.zeros(40))[:4]) < 1, "not the order of random"


def test_neurons_that_were_not_earned_share_points_and_tops_of_them_are_marked(planted: Split) -> None:
    found = points(ordered("a", torch.arange(40), earned=10))
    assert found[:10].tolist() == list(range(39, 29, -1)) and set(found[10:].tolist()) == {14.5}
    assert float(found.sum()) == sum(range(40))
    rows = rows_of(planted, ordered("a", torch.arange(40), earned=1), ordered("b", torch.arange(40)))
    (row,) = [row for row in rows if (row.metric, row.ranking) == ("average_overlap", "a")]
    assert row.flags["not_earned"] == 3 and row.value == 1


def test_chance_is_what_random_sets_share() -> None:
    drawn = [jaccard(random(100, 20, 2 * seed), random(100, 20, 2 * seed + 1)) for seed in range(2000)]
    spread = float(torch.tensor(drawn).std()) / 2000**0.5
    assert chance(100, 20) == pytest.approx(sum(drawn) / 2000, abs=4 * spread)
    assert chance(20, 20) == pytest.approx(1)


def test_one_ranking_agrees_with_nobody(planted: Split) -> None:
    trained = make_trained(Probe(torch.zeros(4, 40), torch.zeros(4)), planted)
    with pytest.raises(
        InputError, match=r"^ranking must be at least 2 rankings for a study of agreement, got lca alone"
    ):
        agreement(trained, [4])


def test_the_table_has_a_line_for_each_ranking_and_size(planted: Split) -> None:
    trained = make_trained(Probe(torch.randn(4, 40), torch.zeros(4)), planted)
    both = {"lca": trained.ranking, "probeless": probeless(trained.evidence(None))}
    (table,) = agreement(make_trained(trained.probe, planted, rankings=both), [2, 0.5]).tables
    assert [line[:2] for line in table.body] == [("lca", "2"), ("lca", "20"), ("probeless", "2"), ("probeless", "20")]
