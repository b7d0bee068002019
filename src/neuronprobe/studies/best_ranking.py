"""Which of several rankings is best: chosen on dev, confirmed on test against every rival.

Four things could make one look best that is not. It was chosen as the best of many: so dev chooses and test confirms.
Its neurons may be lucky ones: so it must stand out of random orders further than the best of as many of them would. The
test sentences may suit it: so differences are paired over sentences, whose signs are drawn anew. The training sentences
may suit it: so it must stay ahead when rankings are made again from resamples of them.

Odds over sentences are corrected for all rivals together (Holm), so that each difference can be believed. Those of
resamples are not: a best one is named only where it is ahead of every rival, which is wrong in at most 5 % of cases if
one rival is as good, however many there are (an intersection-union test); and remakes had no part in choosing it.

A ranking that selects its neurons on dev (`gaussian`, `latent_subset`, `elimination`, `single_neuron`) looks better
there than it is and may be chosen in vain: test does not confirm it then, and none is named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Real
from scipy.stats import t as student
from torch import Tensor

from neuronprobe.studies.intervals import Bootstrap, over_draws

LEVEL = 0.05
"""Of odds that count as small."""
FLIPS = 9999
"""Drawn signs of the sentences; the least p is one in so many."""
FEWEST_AGAIN = 3
"""Rankings made again with which their luck can be told."""


@dataclass(frozen=True)
class Contest:
    """What rankings reach, each with one number: that of a set, or a mean over several sizes.

    `test` are numerators of each test sentence, `denominator` is what they are shares of. `drawn` is what random orders
    reach on test. `again` is, of one set each, what the rankings reach on test and, behind it, what they do when they
    are made again from resamples of the training sentences; NaN where they were not.
    """

    names: Sequence[str]
    dev: Float[Tensor, " ranking"]
    test: Float[Tensor, "ranking sentence"]
    denominator: Real[Tensor, " sentence"]
    drawn: Float[Tensor, " draw"]
    again: Float[Tensor, "ranking made"]

    @property
    def values(self) -> Float[Tensor, " ranking"]:
        """On test."""
        return self.test.sum(1) / self.denominator.sum()

    @property
    def n_again(self) -> int:
        """How often rankings were made again."""
        return self.again.shape[1] - 1


@dataclass(frozen=True)
class Rival:
    """What the best has over another on test: the difference with its interval, its odds over sentences, these
    corrected for all rivals, and the odds of what is left of it when both are made again (None: not asked).
    """

    name: str
    difference: float
    low: float
    high: float
    p: float
    corrected: float
    p_again: float | None
    is_same: bool
    """Whether both are right about the same units of every sentence."""

    @property
    def is_beaten(self) -> bool:
        """Whether the difference is real."""
        return self.difference > 0 and max(self.corrected, self.p_again or 0.0) <= LEVEL


@dataclass(frozen=True)
class Best:
    """The best on dev, and what test says of it; `p_random` is the odds of the best of as many random orders."""

    name: str
    value: float
    low: float
    high: float
    p_random: float
    rivals: tuple[Rival, ...]

    @property
    def beats_random(self) -> bool:
        """Whether it is better than the best of as many random orders."""
        return self.p_random <= LEVEL

    @property
    def equals(self) -> tuple[str, ...]:
        """The rivals that it can't be told from."""
        return tuple(rival.name for rival in self.rivals if not rival.is_beaten)

    @property
    def is_named(self) -> bool:
        """Whether it may be called the best."""
        return self.beats_random and not self.equals


def best_ranking(contest: Contest, seed: int) -> Best:
    """Choose on dev, confirm on test."""
    chosen, values = int(contest.dev.argmax()), contest.values
    gains = contest.test[chosen] - contest.test
    p = _by_sentences(gains, seed)
    others = [i for i in range(len(gains)) if i != chosen]
    corrected = dict(zip(others, holm(p[others]).tolist(), strict=True))
    bootstrap = Bootstrap(contest.denominator, seed)
    low, high = bootstrap.ends(contest.test[chosen : chosen + 1])[0].tolist()
    rivals = []
    for i, own in enumerate(bootstrap.ends(gains).tolist()):
        if i != chosen:
            gain, is_same = float(values[chosen] - values[i]), not bool(gains[i].any())
            apart = (contest.again[chosen] - contest.again[i])[1:]
            spreads = [(1.0, apart)] if contest.n_again >= FEWEST_AGAIN and not bool(apart.isnan().any()) else []
            least, most = over_draws((own[0], own[1]), gain, spreads) or (own[0], own[1])
            p_again = made_again_odds(contest, chosen, i)
            rivals.append(Rival(contest.names[i], gain, least, most, float(p[i]), corrected[i], p_again, is_same))
    ahead = tuple(sorted(rivals, key=lambda rival: rival.difference))
    return Best(contest.names[chosen], float(values[chosen]), low, high, beyond_random(contest, chosen), ahead)


def beyond_random(contest: Contest, chosen: int) -> float:
    """The odds that the best of as many random orders reaches what the chosen ranking does (Student's t, Bonferroni).

    1 where fewer than two random orders were drawn.
    """
    drawn, value = contest.drawn.double(), float(contest.values[chosen])
    if len(drawn) < 2:
        return 1.0
    around = float(drawn.std()) * math.sqrt(1 + 1 / len(drawn))
    above = value - float(drawn.mean())
    if around == 0:
        return 0.0 if above > 0 else 1.0
    return min(1.0, len(contest.names) * float(student.sf(above / around, len(drawn) - 1)))


def holm(p: Float[Tensor, " rival"]) -> Float[Tensor, " rival"]:
    """p corrected for as many tests (Holm 1979): one that is at most α is so with odds of at most α for all of them."""
    order = p.argsort()
    times = torch.arange(len(p), 0, -1, dtype=p.dtype)
    found = torch.empty_like(p)
    found[order] = (p[order] * times).cummax(0).values.clamp_max(1) if len(p) else p
    return found


def _by_sentences(gains: Float[Tensor, "rival sentence"], seed: int) -> Float[Tensor, " rival"]:
    """Two-sided odds of each sum where neither is better: the signs of the sentences are drawn.

    A sentence's units go together. Where nothing differs the odds are 1.
    """
    generator, gains = torch.Generator().manual_seed(seed), gains.double()
    reached = gains.sum(1).abs() - 1e-9 * gains.abs().sum(1)  # sums in another order differ by rounding
    times = torch.zeros(len(gains), dtype=torch.float64)
    for some in torch.arange(FLIPS).split(max(1, (1 << 22) // max(1, gains.shape[1]))):
        signs = torch.randint(2, (len(some), gains.shape[1]), generator=generator).double() * 2 - 1
        times += ((signs @ gains.T).abs() >= reached).double().sum(0)
    return (1 + times) / (1 + FLIPS)


def made_again_odds(contest: Contest, chosen: int, rival: int) -> float | None:
    """Odds of what the chosen one is ahead by when both are made again, where neither is better (Student's t).

    One that was not made again is taken for as lucky as the luckiest that was: then both are compared as they are, not
    remade, which would be worse for fewer sentences. None where rankings were made again fewer than three times; 1
    where they were, but the judge does not judge them.
    """
    n, made = contest.n_again, contest.again[:, 1:].double()
    known = ~made.isnan().any(1)
    if n < FEWEST_AGAIN:
        return None
    if not bool(known.any()):
        return 1.0
    if bool(known[chosen] and known[rival]):
        apart = made[chosen] - made[rival]
        gain, error = float(apart.mean()), float(apart.std()) / math.sqrt(n)
    else:
        gain = float(contest.again[chosen, 0] - contest.again[rival, 0])
        error = float(made[known].std(1).max()) * math.sqrt(2)
    return float(student.sf(gain / error, n - 1)) if error > 0 else float(gain <= 0)
