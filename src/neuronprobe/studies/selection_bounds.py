"""How many neurons that are rarely selected stability selection is expected to list: bounds and what they ask for.

Of p neurons a half-sample selects at most q. Rarely selected are neurons that a half-sample selects with probability of
at most q/p; listed are those that at least a share τ (the threshold) of all half-samples selected.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from neuronprobe.errors import InputError

ENDS = 1e-5, 1e5
"""Between these lies the offset of any tail that is looked for."""
GRID, ROUNDS = 65, 3
"""Offsets that are tried between two, and how often again around the best of them."""


def worst_case(q: int, p: int, threshold: float) -> float:
    """q² / ((2τ − 1) p), whatever the distribution of the shares is.

    Meinshausen and Bühlmann 2010, theorem 1, of falsely selected neurons, under exchangeability; Shah and Samworth
    2013, theorem 1 with θ = q/p, of rarely selected ones, under none.
    """
    return q**2 / ((2 * threshold - 1) * p)


def r_concave(q: int, p: int, threshold: float, pairs: int) -> float:
    """The tighter bound where shares of rarely selected neurons are r-concave: fall off without bumps, or flat tails.

    Shah and Samworth 2013, section 3.3: min(D(θ², 2τ − 1, B, −1/2), D(θ, τ, 2B, −1/4)) p with θ = q/p and B pairs, for
    the share of pairs of which both halves select a neuron, and for that of half-samples.
    """
    theta, at = q / p, lattice(threshold, pairs)
    both = tail(theta**2, at - pairs, pairs, -1 / 2)
    return min(worst_case(q, p, threshold), p * min(both, tail(theta, at, 2 * pairs, -1 / 4)))


def lattice(threshold: float, pairs: int) -> int:
    """In how many of the half-samples a neuron must be selected."""
    return math.ceil(round(threshold * 2 * pairs, 9))


def most_selected(wanted: float, p: int, threshold: float, pairs: int, bound: str) -> int:
    """The largest q with which no more rarely selected neurons are expected than `wanted`.

    `bound` is worst_case or r_concave. Raises InputError where not even q = 1 is enough.
    """

    def expected(q: int) -> float:
        return worst_case(q, p, threshold) if bound == "worst_case" else r_concave(q, p, threshold, pairs)

    if expected(1) > wanted:
        raise InputError(
            f"callbacks.stability_selection.expected must be at least {expected(1):.2g} of {p} neurons at threshold "
            f"{threshold:g}, got {wanted:g}; raise it or the threshold."
        )
    low, high = 1, p + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if expected(middle) <= wanted else (low, middle)
    return low


@lru_cache(maxsize=4096)
def tail(mean: float, at: int, n: int, r: float) -> float:
    """D: the largest P(nX ≥ at) of X on 0, 1/n … 1 with this mean, whose mass f has a convex f^r (r < 0).

    The extreme ones are f(i) ∝ (a + i)^(1/r) for i ≤ k, and less at k + 1 (Shah and Samworth 2013, appendix A.4); 1
    where `at` is not beyond twice the mean.
    """
    first = math.ceil(2 * mean * n) + 1
    if at < first:
        return 1.0
    best, offsets = 0.0, _offsets(mean, first, n, r)
    for k in range(max(first, at - 1), n + 1):
        high, low = offsets[k - first], offsets[min(k + 1, n) - first]
        best = max(best, 1 - _least(k, low, high, mean * n, at, r))
    return best


def _least(k: int, low: float, high: float, total: float, at: int, r: float) -> float:
    """The least P(nX < at) of the extreme distributions that end behind k, over the offset a."""
    i, least = np.arange(k + 1), 1.0
    for _ in range(ROUNDS):
        a = np.linspace(low, high, GRID)
        mass = (a[:, None] + i) ** (1 / r)
        missed = (k + 1 - total) * mass[:, :at].sum(1) / (mass @ (k + 1 - i))
        best = int(missed.argmin())
        low, high, least = a[max(best - 1, 0)], a[min(best + 1, GRID - 1)], float(missed[best])
    return least


@lru_cache(maxsize=256)
def _offsets(mean: float, first: int, n: int, r: float) -> list[float]:
    """For k = first … n the a with which (a + i)^(1/r) on 0 … k has the mean."""

    found: list[float] = []
    for k in range(first, n + 1):
        i, high = np.arange(k + 1), found[-1] if found else ENDS[1]
        found.append(brentq(lambda a, i=i: (i - mean * n) @ (a + i) ** (1 / r), ENDS[0], high))
    return found
