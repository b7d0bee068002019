"""Rankings of several weightings, made together: each as it would be alone, in fewer banks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
import torch

from neuronprobe import rankings
from neuronprobe.activations import Split
from neuronprobe.probes import ExactFit, Member, Probe
from neuronprobe.rankings import Evidence, Rank, ranked_together
from neuronprobe.studies.resamples import resamples
from neuronprobe.types import Ranking


class Counted(ExactFit):
    """Counts the members of its banks."""

    banks: list[int]

    def __call__(self, members: Sequence[Member], train: Split) -> list[Probe]:
        self.banks.append(len(members))
        return super().__call__(members, train)


@pytest.fixture
def fit() -> Counted:
    found = Counted(1e-3, 1e-3, tolerance=1e-6)
    found.banks = []
    return found


def evidences(split: Split, fit: Counted, n: int = 2) -> list[Evidence]:
    weights = resamples(split.units, n, 0)
    return [Evidence(split, split, fit, 0, weights=own) for own in weights]


@pytest.mark.parametrize(
    ("rank", "rounds"),
    [
        (partial(rankings.rfe, l2=0.02, step=0.5, most=8), 4),
        (partial(rankings.k_sparse, l2=0.02, most=8), 4),
        (partial(rankings.elimination, l2=0.02, groups=4, step=0.5, most=8), 4),
        (rankings.ridge, 1),
        (rankings.probeless, 0),
    ],
)
def test_each_is_what_it_is_alone(rank: Rank, rounds: int, planted: Split, fit: Counted) -> None:
    made = {i: found for i, _, found in ranked_together({"one": rank}, evidences(planted, fit))}
    assert sorted(made) == [0, 1] and len(fit.banks) == rounds and all(n % 2 == 0 for n in fit.banks)
    for i, evidence in enumerate(evidences(planted, fit)):
        alone = rank(evidence)
        assert torch.equal(made[i].order, alone.order)
        torch.testing.assert_close(made[i].score, alone.score, atol=1e-5, rtol=1e-4)
    assert not all(torch.equal(made[0].order, other.order) for other in made.values())


def test_rankings_share_banks_and_probes(planted: Split, fit: Counted) -> None:
    """Both begin with the same ridge probe; what they train next is one bank."""
    ranks: dict[str, Rank] = {"rfe": partial(rankings.rfe, most=4), "k_sparse": partial(rankings.k_sparse, most=8)}
    made = {(i, name) for i, name, _ in ranked_together(ranks, evidences(planted, fit))}
    assert made == {(i, name) for i in range(2) for name in ranks}
    assert fit.banks[:2] == [2, 4] and sum(fit.banks) < 2 * (1 + 2 + 3), "what both come down to is trained once"


def test_what_wants_something_else_each_time_trains_alone(planted: Split, fit: Counted) -> None:
    calls: list[int] = []

    def fickle(evidence: Evidence) -> Ranking:
        calls.append(len(calls))
        (probe,) = evidence.trained([Member(1e-3 + 1e-5 * len(calls), 1e-3)], "fickle")
        return Ranking.from_scores("fickle", probe.weights.abs())

    made = list(ranked_together({"fickle": fickle}, evidences(planted, fit, 1)))
    assert len(made) == 1 and len(calls) == 4 and fit.banks == [1, 1, 1]


def test_a_part_of_the_neurons_is_trained_at_once(planted: Split, fit: Counted) -> None:
    """Members of a split of its own can't go into a bank of all neurons."""

    def on_a_part(evidence: Evidence) -> Ranking:
        part = replace(evidence, train=evidence.train.of(torch.arange(3)))
        (probe,) = part.trained([Member(1e-3, 1e-3)], "on_a_part")
        weights = torch.zeros(evidence.train.n_labels, len(evidence.table))
        weights[:, :3] = probe.weights.abs()
        return Ranking.from_scores("on_a_part", weights)

    made = list(ranked_together({"part": on_a_part}, evidences(planted, fit)))
    assert [i for i, _, _ in made] == [0, 1] and fit.banks == [1, 1]
