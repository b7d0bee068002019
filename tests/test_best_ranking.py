"""Which ranking is best: corrections and odds against other implementations, and how often a false best is named."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp

from benchmarks.best_ranking import named, simulated
from neuronprobe.studies.best_ranking import Best, Contest, best_ranking, beyond_random, holm, made_again_odds
from neuronprobe.studies.stable_rankings import most_stable

UNITS = torch.full((40,), 10)


def contest(
    test: torch.Tensor, dev: list[float], drawn: torch.Tensor | None = None, again: torch.Tensor | None = None
) -> Contest:  # fmt: skip
    names = [chr(ord("a") + i) for i in range(len(dev))]
    drawn = torch.tensor([0.2, 0.21, 0.22, 0.19, 0.2]) if drawn is None else drawn
    again = torch.full((len(dev), 1), torch.nan) if again is None else again
    return Contest(names, torch.tensor(dev), test.double(), UNITS, drawn.double(), again.double())


def correct(*shares: float, seed: int = 0) -> torch.Tensor:
    """Correct units of each sentence: a ranking that has a larger share has every unit right that a smaller one has."""
    drawn = torch.rand(40, 10, generator=torch.Generator().manual_seed(seed))
    return torch.stack([(drawn < share).sum(1) for share in shares])


def found(one: Contest) -> Best:
    return best_ranking(one, seed=0)


def test_holm_is_the_textbooks() -> None:
    """Holm (1979): the least p times their number, the next times one fewer, never falling."""
    assert holm(torch.tensor([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(torch.tensor([0.9, 0.8])).tolist() == pytest.approx([1.0, 1.0])


def test_the_odds_of_signs_are_those_of_all_of_them() -> None:
    few = torch.tensor([3, 1, -1, 2, 0, 4, 1, -2, 0, 1])
    gains = torch.zeros(40).long()
    gains[:10] = few
    exact = np.mean([abs(np.dot(signs, few.numpy())) >= abs(int(few.sum())) for signs in product((-1, 1), repeat=10)])
    best = found(contest(torch.stack([5 + gains, torch.full((40,), 5)]), [1.0, 0.0]))
    assert best.rivals[0].p == pytest.approx(exact, abs=0.02)


def test_a_better_one_is_named_and_what_dev_chose_in_vain_is_not() -> None:
    right = found(contest(correct(0.8, 0.6, 0.5), [0.8, 0.6, 0.5]))
    assert right.name == "a" and right.is_named and right.equals == () and right.beats_random
    assert [rival.name for rival in right.rivals] == ["b", "c"] and 0.1 < right.rivals[0].low < right.rivals[0].high
    wrong = found(contest(correct(0.8, 0.6, 0.5), [0.6, 0.8, 0.5]))
    assert wrong.name == "b" and not wrong.is_named and wrong.equals == ("a",)


def test_every_rival_must_be_behind_and_the_same_is_not_behind() -> None:
    best = found(contest(correct(0.8, 0.8, 0.5), [0.8, 0.8, 0.5]))
    assert best.name == "a" and best.equals == ("b",) and not best.is_named
    (same,) = [rival for rival in best.rivals if rival.is_same]
    assert (same.name, same.p, same.difference, same.low, same.high) == ("b", 1, 0, 0, 0)


def test_one_that_random_orders_reach_is_not_named() -> None:
    """The odds are those of Student's prediction, for the best of as many."""
    drawn = torch.tensor([0.62, 0.7, 0.78, 0.66, 0.74])
    one = contest(correct(0.8, 0.6, 0.5), [0.8, 0.6, 0.5], drawn)
    best = found(one)
    assert not best.beats_random and not best.is_named and not best.equals
    far = contest(correct(0.8, 0.6, 0.5), [0.8, 0.6, 0.5], drawn - 0.4)
    assert beyond_random(far, 0) < beyond_random(one, 0) and found(far).is_named
    assert beyond_random(contest(correct(0.8, 0.6), [0.8, 0.6], drawn[:1]), 0) == 1


def test_one_that_is_not_ahead_when_made_again_is_not_named() -> None:
    ahead = torch.tensor([[0.8, 0.7, 0.9, 0.6, 0.8], [0.6, 0.8, 0.7, 0.7, 0.7], [0.5, 0.5, 0.5, 0.5, 0.5]])
    one = contest(correct(0.8, 0.6, 0.5), [0.8, 0.6, 0.5], again=ahead)
    best = found(one)
    assert best.equals == ("b",) and best.rivals[0].corrected < 0.01
    wanted = ttest_1samp((ahead[0] - ahead[1])[1:].numpy(), 0, alternative="greater").pvalue
    assert best.rivals[0].p_again == pytest.approx(wanted) == made_again_odds(one, 0, 1)
    wider = best.rivals[0].high - best.rivals[0].low
    narrow = found(contest(correct(0.8, 0.6, 0.5), [0.8, 0.6, 0.5])).rivals[0]
    assert wider > narrow.high - narrow.low


def test_one_that_was_not_made_again_is_taken_for_as_lucky_as_the_luckiest() -> None:
    nan = torch.nan
    calm = torch.tensor([[0.8, 0.8, 0.81, 0.8, 0.79], [0.6, nan, nan, nan, nan], [0.5, 0.5, 0.51, 0.5, 0.49]])
    assert found(contest(correct(0.8, 0.6, 0.5), [0.8, 0.6, 0.5], again=calm)).is_named
    wild = calm.clone()
    wild[2, 1:] = torch.tensor([0.2, 0.8, 0.1, 0.9])
    assert "b" in found(contest(correct(0.8, 0.6, 0.5), [0.8, 0.6, 0.5], again=wild)).equals


def test_remakes_that_were_not_asked_for_count_for_nothing_and_those_that_are_not_judged_against() -> None:
    test, dev = correct(0.8, 0.6, 0.5), [0.8, 0.6, 0.5]
    without = found(contest(test, dev))
    assert without.is_named and [rival.p_again for rival in without.rivals] == [None, None]
    unjudged = found(contest(test, dev, again=torch.full((3, 5), torch.nan)))
    assert not unjudged.is_named and [rival.p_again for rival in unjudged.rivals] == [1.0, 1.0]


def test_what_was_not_made_again_gains_nothing_by_that() -> None:
    """Remakes lie below their original: two equal rankings of which one was made again are equal."""
    nan = torch.nan
    again = torch.tensor([[0.8, nan, nan, nan, nan], [0.8, 0.7, 0.71, 0.7, 0.69], [0.5, 0.4, 0.41, 0.4, 0.39]])
    assert made_again_odds(contest(correct(0.8, 0.8, 0.5), [0.8, 0.8, 0.5], again=again), 0, 1) == pytest.approx(0.5)


def overlaps(mean: float, spread: float, n: int = 6, seed: int = 0) -> torch.Tensor:
    noise = spread * torch.randn(n, n, generator=torch.Generator().manual_seed(seed))
    return (mean + (noise + noise.T) / 2).double()


def test_the_most_stable_ranking_is_told_from_those_that_share_less() -> None:
    given = torch.stack([overlaps(0.5, 0.01, seed=1), overlaps(0.9, 0.01, seed=2), overlaps(0.9, 0.01, seed=3)])
    first, second, last = most_stable(["a", "b", "c"], given)
    assert {first.name, second.name} == {"b", "c"} and last.name == "a"
    assert first.equals == (second.name,) and last.equals == ()
    off = ~torch.eye(6, dtype=torch.bool)
    assert last.value == pytest.approx(float(given[0][off].mean())) and last.low < last.value < last.high


def test_equal_overlaps_are_not_different() -> None:
    given = torch.stack([overlaps(0.7, 0.02), overlaps(0.7, 0.02)])
    assert all(one.equals for one in most_stable(["a", "b"], given))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["drawn", "fixed"])
def test_of_twenty_random_rankings_none_is_named(kind: str) -> None:
    """More simulations: `python benchmarks/best_ranking.py`."""
    rows = [simulated(kind, 1000 + seed) for seed in range(8)]
    assert sum(named(own, what) is not None for own in rows for what in ("small", "large")) <= 1


@pytest.mark.slow
def test_a_planted_best_is_named() -> None:
    names = [named(simulated("best", 1000 + seed), what) for seed in range(4) for what in ("small", "large")]
    assert names.count("ranking_0") >= 6 and set(names) <= {"ranking_0", None}
