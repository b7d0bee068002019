"""Rankings and planted neurons: what each finds, and what its docstring says that it does not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from benchmarks.planted import Difficulty, copies, distractors, groups, low, plain, planted, polysemous, scales
from neuronprobe import rankings
from neuronprobe.probes import Fit, Member
from neuronprobe.rankings import Evidence
from neuronprobe.types import Ranking

FIT = Fit(1e-3, 1e-3, epochs=5, batch_size=100, lr=0.02)
BY_MEANS = (rankings.probeless, rankings.mean_select, rankings.mean_difference, rankings.f_statistic)
Rank = Callable[[Evidence], Ranking]


def recovered(rank: Rank, difficulty: Difficulty, trains: bool = False) -> float:
    data = planted(difficulty, seed=0)
    probe = FIT([Member(1e-3, 1e-3)], data.train)[0] if trains else None
    return data.recovered(rank(Evidence(data.train, data.dev, FIT, 0, probe)))


@pytest.mark.parametrize(
    "rank",
    [*BY_MEANS, rankings.average_precision, rankings.mutual_information, rankings.single_neuron],
    ids=lambda rank: rank.__name__,
)
def test_what_reads_activations_finds_all_that_is_planted_alone_or_for_several_labels(rank: Rank) -> None:
    assert recovered(rank, plain) == 1
    assert recovered(rank, polysemous) >= 0.75 or rank is rankings.average_precision


@pytest.mark.parametrize("rank", [rankings.lca, rankings.magnitude, rankings.gradient_activation])
def test_what_reads_a_probe_finds_all_that_is_planted(rank: Rank) -> None:
    assert recovered(rank, plain, trains=True) == 1


def test_scales_mislead_those_that_say_so_alone() -> None:
    for rank in (rankings.probeless, rankings.mean_difference, rankings.variance):
        assert "Not invariant to scale" in " ".join(str(rank.__doc__).split())
        assert recovered(rank, scales) < 0.75
    for rank in (rankings.f_statistic, rankings.mean_select, rankings.average_precision, rankings.mutual_information):
        assert recovered(rank, scales) == 1
    assert recovered(rankings.lca, scales, trains=True) < 1


def test_a_neuron_that_is_low_for_its_label_is_the_labels_by_unsigned_scores_alone() -> None:
    data = planted(low, seed=0)
    shown = Evidence(data.train, data.dev, None, 0)
    signed, unsigned = (rankings.average_precision(shown, signed=signed) for signed in (True, False))
    for i, (carrier,) in enumerate(data.sets):
        assert float(signed.by_label[i % 4, carrier]) == 1 > float(unsigned.by_label[i % 4, carrier])
    assert data.recovered(unsigned) == data.recovered(rankings.f_statistic(shown)) == 1


def test_noise_of_the_carriers_has_weight_in_a_probe_and_says_nothing_by_itself() -> None:
    data = planted(distractors, seed=0)
    (probe,) = FIT([Member(1e-3, 1e-3)], data.train)
    shown = Evidence(data.train, data.dev, FIT, 0, probe)
    carriers = torch.tensor([carrier for (carrier,) in data.sets])
    x = data.train.batch(torch.arange(len(data.train))).activations
    alike = torch.corrcoef(x.T)[carriers].abs()
    alike[:, carriers] = 0
    distracting = alike.amax(0) > 0.5
    noise = ~distracting
    noise[carriers] = False
    assert int(distracting.sum()) == 8 and data.recovered(rankings.f_statistic(shown)) == 1
    by_weight, alone = rankings.magnitude(shown).score, rankings.f_statistic(shown).score
    assert float(by_weight[distracting].min()) > float(by_weight[noise].max())
    assert float(alone[distracting].max()) < float(alone[carriers].min()) / 5


def test_one_neuron_at_a_time_takes_copies_and_likenesses_which_a_selection_leaves_out() -> None:
    greedy = partial(rankings.gaussian, k=8)
    assert recovered(greedy, copies) > recovered(rankings.f_statistic, copies) - 0.01
    assert recovered(greedy, groups) == 1 > recovered(rankings.f_statistic, groups)


def test_the_variance_and_a_drawn_order_find_nothing() -> None:
    for rank in (rankings.variance, rankings.random):
        assert recovered(rank, plain) < 0.5
