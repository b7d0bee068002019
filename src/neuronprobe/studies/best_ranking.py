"""Which of several rankings is best: chosen on dev, confirmed on test against every rival; and which is most stable.

Three things could make one look best that is not. It was chosen as the best of many: so dev chooses and test confirms.
Its set may be a lucky one: so it must stand out of random orders further than the best of as many random orders would,
and what rankings give when they are made again from resampled sentences is part of every interval. The test sentences
may suit it: so differences are paired over sentences, whose signs are drawn anew. All rivals count together (Holm).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Real
from scipy.stats import t as student
from torch import Tensor

from neuronprobe.studies.intervals import LEVEL as CONFIDENCE
from neuronprobe.studies.intervals import Bootstrap, Ends

LEVEL = 0.05
"""Of all rivals together."""
FLIPS = 9999
"""Drawn signs of the sentences; the least p is one in so many."""
FEWEST_AGAIN = 3
"""Rankings made again with which their luck can be told."""


@dataclass(frozen=True)
class Contest:
    """What rankings reach, each with one number: that of a set, or a mean over several sizes.

    `test` are numerators of each test sentence, `denominator` is what they are shares of. `drawn` is what random orders
    reach on test, and `again` what each ranking does when it is made again from resampled sentences; NaN where it was
    not.
    """

    names: Sequence[str]
    dev: Float[Tensor, " ranking"]
    test: Float[Tensor, "ranking sentence"]
    denominator: Real[Tensor, " sentence"]
    drawn: Float[Tensor, " draw"]
    again: Float[Tensor, "ranking resample"]

    @property
    def values(self) -> Float[Tensor, " ranking"]:
        """On test."""
        return self.test.sum(1) / self.denominator.sum()

    def luck(self) -> Float[Tensor, "ranking ranking"]:
        """Deviation of the difference of two rankings when both are made again.

        Where one of them was not, it is taken for as lucky as the luckiest that was.
        """
        n = self.again.shape[1]
        if n < FEWEST_AGAIN:
            return torch.zeros(len(self.names), len(self.names), dtype=torch.float64)
        apart = (self.again[:, None] - self.again[None]).double().std(2)
        own = self.again.double().std(1)
        known = ~own.isnan()
        most = own[known].max() if bool(known.any()) else own.new_zeros(())
        own = torch.where(known, own, most)
        return torch.where(apart.isnan(), (own[:, None].square() + own.square()).sqrt(), apart)


@dataclass(frozen=True)
class Rival:
    """What the best has over another on test: the difference with its interval, p, and p corrected for all rivals."""

    name: str
    difference: float
    low: float
    high: float
    p: float
    corrected: float
    is_same: bool
    """Whether both are right about the same units of every sentence."""

    @property
    def is_beaten(self) -> bool:
        """Whether the difference is real."""
        return self.corrected <= LEVEL and self.difference > 0


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
    total = float(contest.denominator.sum())
    luck, n_again = contest.luck()[chosen], contest.again.shape[1]
    p = _flipped(gains / total, luck, n_again - 1, seed)
    others = [i for i in range(len(contest.names)) if i != chosen]
    corrected = dict(zip(others, holm(p[others]).tolist(), strict=True))
    bootstrap = Bootstrap(contest.denominator, seed)
    ends = bootstrap.ends(gains).tolist()
    own = tuple(bootstrap.ends(contest.test[chosen : chosen + 1])[0].tolist())
    spread = float(contest.again[chosen].double().std()) if n_again > 1 else 0.0
    low, high = _widened((own[0], own[1]), float(values[chosen]), spread, n_again)
    rivals = []
    for i in sorted(others, key=lambda i: -float(values[i])):
        difference = float(values[chosen] - values[i])
        around = _widened((ends[i][0], ends[i][1]), difference, float(luck[i]), n_again)
        is_same = not bool(gains[i].any())
        rivals.append(Rival(contest.names[i], difference, *around, float(p[i]), corrected[i], is_same))
    return Best(
        contest.names[chosen], float(values[chosen]), low, high, beyond_random(contest, chosen), tuple(rivals)
    )


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


def _flipped(
    gains: Float[Tensor, "rival sentence"], luck: Float[Tensor, " rival"], freedom: int, seed: int
) -> Float[Tensor, " rival"]:
    """Two-sided odds of each sum where no ranking is better: the signs of sentences are drawn, and luck is added.

    A sentence's units go together. Where nothing differs the odds are 1.
    """
    generator = torch.Generator().manual_seed(seed)
    reached = gains.abs().sum(1) * 1e-9
    observed = gains.sum(1).abs() - reached  # sums in another order differ by rounding
    drawn = np.random.default_rng(seed).standard_t(max(1, freedom), FLIPS) if bool((luck > 0).any()) else np.zeros(1)
    by_luck = torch.from_numpy(drawn).expand(FLIPS) if len(drawn) == 1 else torch.from_numpy(drawn)
    times = torch.zeros(len(gains), dtype=torch.float64)
    for some in torch.arange(FLIPS).split(max(1, (1 << 22) // max(1, gains.shape[1]))):
        signs = torch.randint(2, (len(some), gains.shape[1]), generator=generator, dtype=torch.int8).double() * 2 - 1
        sums = signs @ gains.double().T + by_luck[some, None] * luck
        times += (sums.abs() >= observed).double().sum(0)
    return (1 + times) / (1 + FLIPS)


def _widened(ends: Ends, value: float, deviation: float, n_again: int) -> Ends:
    """An interval over sentences, widened by the deviation of a ranking that is made again (Student's t)."""
    if n_again < FEWEST_AGAIN or not deviation > 0:
        return ends
    around = float(student.ppf((1 + CONFIDENCE) / 2, n_again - 1)) * deviation
    return value - math.hypot(value - ends[0], around), value + math.hypot(ends[1] - value, around)


@dataclass(frozen=True)
class Stable:
    """The ranking of which two resamples share most, how much, and which share as much."""

    name: str
    value: float
    low: float
    high: float
    equals: tuple[str, ...]


def most_stable(names: Sequence[str], overlaps: Float[Tensor, "ranking resample resample"]) -> list[Stable]:
    """Mean overlap over pairs of resamples of each ranking, the largest first, with those that it can't be told from.

    Resamples are taken out one by one (the jackknife of a mean over pairs); the same ones serve all rankings, so
    differences are paired. Since the most stable one is chosen on them too, all pairs of rankings count together (Holm).
    """
    parts = _pseudo_values(overlaps.double())
    first, second = torch.triu_indices(len(names), len(names), offset=1)
    p = holm(_odds(parts[first] - parts[second]))
    apart = torch.ones(len(names), len(names), dtype=p.dtype)
    apart[first, second] = apart[second, first] = p
    value, around = parts.mean(1), _half(parts)
    found = []
    for i in value.argsort(descending=True, stable=True).tolist():
        equals = [names[j] for j in value.argsort(descending=True).tolist() if j != i and float(apart[i, j]) > LEVEL]
        low, high = (value[i] + sign * around[i] for sign in (-1, 1))
        found.append(Stable(names[i], float(value[i]), float(low.clamp(0, 1)), float(high.clamp(0, 1)), tuple(equals)))
    return found


def _pseudo_values(overlaps: Float[Tensor, "ranking resample resample"]) -> Float[Tensor, "ranking resample"]:
    """R·mean − (R − 1)·mean without one of the R resamples; their mean is the mean over all pairs."""
    n = overlaps.shape[1]
    off = overlaps * (1 - torch.eye(n, dtype=overlaps.dtype))
    total, own = off.sum((1, 2)), off.sum(2)
    mean, without = total / (n * (n - 1)), (total[:, None] - 2 * own) / ((n - 1) * (n - 2))
    return n * mean[:, None] - (n - 1) * without


def _half(parts: Float[Tensor, "row resample"]) -> Float[Tensor, " row"]:
    """Half the interval of each mean."""
    n = parts.shape[1]
    return float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * parts.std(1) / math.sqrt(n)


def _odds(parts: Float[Tensor, "row resample"]) -> Float[Tensor, " row"]:
    """Two-sided odds of each mean where the truth is 0; 1 where it is 0 without any spread."""
    n, mean = parts.shape[1], parts.mean(1).abs()
    error = parts.std(1) / math.sqrt(n)
    found = torch.from_numpy(student.sf((mean / error.clamp_min(1e-12)).numpy(), n - 1) * 2)
    return torch.where(mean < 1e-12, 1.0, found)
