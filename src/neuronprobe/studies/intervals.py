"""Intervals at 95 %: over the sentences of a split (units of a sentence are not independent), and over random draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Float, Real, UInt8
from scipy.special import stdtrit
from torch import Tensor

from neuronprobe.targets import Score

RESAMPLES = 1000
LEVEL = 0.95
BLOCK = 1 << 22
"""Numbers of the resamples that are held as floats, or as drawn, at a time."""

Ends = tuple[float, float]
Spread = tuple[float, Float[Tensor, " _"]]
"""A coefficient, and the values of the draws whose mean it multiplies."""


class Bootstrap:
    """Percentile intervals over resampled sentences. The same resamples serve every probe: differences are paired."""

    def __init__(self, denominator: Real[Tensor, " sentence"], seed: int, resamples: int = RESAMPLES) -> None:
        """`denominator` is that of the score: the units of each sentence, or its total sum of squares."""
        self._denominator = denominator.double()
        self._times = _drawn(len(denominator), resamples, seed)
        self._total = self._sums(self._denominator[None])[:, 0].clamp_min(torch.finfo(torch.float64).tiny)

    def values(self, numerator: Real[Tensor, "number sentence"]) -> Float[Tensor, "resample number"]:
        """Each value in each resample; Σ weight · numerator of several probes gives that of a mean or a difference."""
        return self._sums(numerator) / self._total[:, None]

    def ends(self, numerator: Real[Tensor, "number sentence"]) -> Float[Tensor, "number 2"]:
        """Low and high end of each value."""
        return _ends(self.values(numerator))

    def _sums(self, numerator: Real[Tensor, "number sentence"]) -> Float[Tensor, "resample number"]:
        given = numerator.double().T
        blocks = self._times.split(_rows(len(given)))
        held = torch.empty(blocks[0].shape, dtype=torch.float64)  # one for all: freed blocks of this size pile up
        return torch.cat([held[: len(times)].copy_(times) @ given for times in blocks])


@lru_cache(maxsize=2)
def _drawn(n: int, resamples: int, seed: int) -> UInt8[Tensor, "resample sentence"]:
    """How often each sentence is drawn in each resample; no sentence is drawn 256 times (the odds are below 1e-500)."""
    generator = torch.Generator().manual_seed(seed)
    times = torch.zeros(resamples, n, dtype=torch.uint8)
    held = torch.empty(min(resamples, _rows(n)), n, dtype=torch.long)
    for block in times.split(_rows(n)):
        drawn = held[: len(block)].random_(n, generator=generator)
        block.scatter_add_(1, drawn, torch.ones(1, 1, dtype=torch.uint8).expand_as(drawn))
    return times


def paired_ends(first: Score, others: Sequence[Score], probe: int, seed: int) -> Ends:
    """Low and high end of first − mean(others) of one probe; all have the same sentences.

    Where all have the same denominators the difference is a ratio itself, else one of ratios in each resample.
    """
    numerators = [one.numerator[probe].double() for one in (first, *others)]
    if all(torch.equal(first.denominator, one.denominator) for one in others):
        gain = numerators[0] - torch.stack(numerators[1:]).mean(0)
        low, high = Bootstrap(first.denominator, seed).ends(gain[None])[0].tolist()
        return low, high
    own, *rest = (
        Bootstrap(one.denominator, seed).values(numerator[None])
        for one, numerator in zip((first, *others), numerators, strict=True)
    )
    low, high = _ends(own - torch.stack(rest).mean(0))[0].tolist()
    return low, high


def over_draws(ends: Ends, value: float, spreads: Sequence[Spread]) -> Ends | None:
    """The interval of a value over sentences, widened by the spread over the draws in it; None with a single draw.

    `spreads` are independent sets of draws. Their part is Student's t with Welch and Satterthwaite's degrees of freedom
    (draws − 1 for one set); both parts are joined, end by end, as roots of sums of squares (Zou and Donner 2008).
    """
    spreads = [(weight, values) for weight, values in spreads if weight]
    if not spreads:
        return ends
    if any(len(values) < 2 for _, values in spreads):
        return None
    variances = [weight**2 * float(values.double().var()) / len(values) for weight, values in spreads]
    total = sum(variances)
    if total == 0:
        return ends
    freedom = total**2 / sum(v**2 / (len(values) - 1) for v, (_, values) in zip(variances, spreads, strict=True))
    around = float(stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(total)
    low, high = ends
    return value - math.hypot(value - low, around), value + math.hypot(high - value, around)


def difference_spreads(first: Float[Tensor, " draw"], second: Float[Tensor, " other"]) -> list[Spread]:
    """The spreads of mean(first) − mean(second): that of the differences where both have as many draws, else of each.

    Pairs of draws are independent of each other, whether or not the two of a pair are the same set.
    """
    return [(1.0, first - second)] if len(first) == len(second) else [(1.0, first), (-1.0, second)]


def _ends(values: Float[Tensor, "resample number"]) -> Float[Tensor, "number 2"]:
    tail = (1 - LEVEL) / 2
    return torch.quantile(values, torch.tensor([tail, 1 - tail], dtype=torch.float64), dim=0).T


def _rows(n: int) -> int:
    """Resamples of n sentences that are held as floats together."""
    return max(1, BLOCK // max(1, n))
