"""Group lasso of a softmax (Simon, Friedman and Hastie 2013): mean cross-entropy + λ Σ_neurons ‖θ_neuron‖₂.

θ_neuron are a neuron's weights of all labels. ½ second moments ⊗ I is never below the Hessian of the loss (Böhning
1992): accelerated proximal steps in that metric (Beck and Teboulle 2009, begun anew where momentum points uphill), each
of them a group lasso on second moments alone. Along the path of λ strong rules pass neurons over, whose conditions are
looked at behind each solution (Tibshirani and others 2012).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

INNER, MOST_INNER, LOOK = 0.1, 100, 5
"""A step is solved to this share of the residual, in at most so many steps of its own, looked at every few."""
SAFE, FLOOR = 1.01, 1e-7
"""Beyond an eigenvalue, and the least residual that is asked for: what float32 rounds."""

Point = Float[Tensor, "label neuron_and_bias"]
"""Weights and, in the last column, the bias."""


class Solution(NamedTuple):
    """Where the path is at a λ, and whether that is its optimum, to the tolerance."""

    point: Point
    is_solved: bool


@dataclass(frozen=True)
class GroupLasso:
    """Z-scores, one row of ones for the units of each label, weights of the units with mean 1.

    `bound` is half the second moments of the neurons, with the bias as a neuron of ones; `curvature` its largest
    eigenvalue, or more.
    """

    activations: Float[Tensor, "neuron unit"]
    labels: Float[Tensor, "label unit"]
    weights: Float[Tensor, " unit"]
    bound: Float[Tensor, "neuron_and_bias neuron_and_bias"]
    curvature: float

    @classmethod
    def of(
        cls, activations: Float[Tensor, "neuron unit"], labels: Float[Tensor, "label unit"],
        weights: Float[Tensor, " unit"],
    ) -> Self:  # fmt: skip
        """The problem of all neurons."""
        rows = torch.cat([activations, torch.ones(1, len(weights))])
        bound = 0.5 * (rows * (weights / len(weights))) @ rows.T
        return cls(activations, labels, weights, bound, SAFE * float(torch.linalg.eigvalsh(bound)[-1]))

    def some(self, inside: Bool[Tensor, " neuron"]) -> GroupLasso:
        """The same problem of some neurons."""
        own = with_bias(inside)
        return GroupLasso(
            self.activations[inside], self.labels, self.weights, self.bound[own][:, own], self.curvature
        )  # fmt: skip

    @property
    def start(self) -> Point:
        """No neuron; the bias at its own optimum."""
        shares = self.labels @ self.weights / len(self.weights)
        return torch.cat([torch.zeros(len(self.labels), len(self.activations)), shares.log()[:, None]], dim=1)

    @property
    def largest(self) -> float:
        """λ_max, above which no neuron is in."""
        return float(lengths(self.gradient(self.start)).max())

    def gradient(self, point: Point) -> Point:
        """Of the mean cross-entropy."""
        rest = (point[:, :-1] @ self.activations + point[:, -1:]).softmax(0) - self.labels
        rest = rest * (self.weights / len(self.weights))
        return torch.cat([rest @ self.activations.T, rest.sum(1, keepdim=True)], dim=1)


def lengths(point: Point) -> Float[Tensor, " neuron"]:
    """Of each neuron's weights."""
    found: Tensor = point[:, :-1].norm(dim=0)
    return found


def residual(point: Point, gradient: Point, penalty: float) -> float:
    """How far the optimum's conditions are violated, in units of the gradient.

    A neuron that is in has gradient −λ θ/‖θ‖, one that is out a gradient no longer than λ, the bias none.
    """
    weights, slopes, length = point[:, :-1], gradient[:, :-1], lengths(point)
    inside = (slopes + penalty * weights / length.clamp_min(1e-30)).norm(dim=0)
    outside = (slopes.norm(dim=0) - penalty).clamp_min(0)
    return float(torch.cat([torch.where(length > 0, inside, outside), gradient[:, -1].abs()]).max())


def enough(penalty: float, tolerance: float) -> float:
    """The residual at which a λ is solved."""
    return max(tolerance * penalty, FLOOR)


def path(problem: GroupLasso, shares: Sequence[float], passes: int, tolerance: float) -> Iterator[Solution]:
    """Those at falling `shares` of λ_max, to a residual of `tolerance` × λ, each from the one before.

    At most `passes` gradients for each λ.
    """
    point, largest = problem.start, problem.largest
    slopes, before = lengths(problem.gradient(point)), largest
    for share in shares:
        penalty, left, misses = share * largest, passes, True
        inside = (lengths(point) > 0) | (slopes >= 2 * penalty - before)
        while misses and left > 0:
            own = with_bias(inside)
            found, taken = solve(problem.some(inside), penalty, point[:, own], left, tolerance)
            point, left = torch.zeros_like(point), left - taken
            point[:, own] = found
            gradient = problem.gradient(point)
            slopes = lengths(gradient)
            missed = (slopes > (1 + tolerance) * penalty) & ~inside
            inside, misses = inside | missed, bool(missed.any())
        before = penalty
        yield Solution(point, residual(point, gradient, penalty) <= SAFE * enough(penalty, tolerance))


def solve(
    problem: GroupLasso, penalty: float, start: Point, passes: int = 1000, tolerance: float = 0.01
) -> tuple[Point, int]:
    """The solution to a residual of `tolerance` × λ, and in how many passes; the last point where they are used up."""
    now, ahead, momentum = start, start, 1.0
    for done in range(1, passes + 1):
        gradient = problem.gradient(ahead)
        far = residual(ahead, gradient, penalty)
        if far <= enough(penalty, tolerance):
            return ahead, done
        reached = _step(problem, penalty, ahead, gradient, INNER * far)
        if float((((ahead - reached) @ problem.bound) * (reached - now)).sum()) > 0:
            momentum = 1.0
        now, ahead, momentum = reached, *_ahead(now, reached, momentum)
    return now, passes


def _step(problem: GroupLasso, penalty: float, start: Point, gradient: Point, least: float) -> Point:
    """The optimum of the gradient's model with the bound as its Hessian, to a residual of `least`."""
    now, ahead, momentum = start, start, 1.0
    size = 1 / problem.curvature
    for done in range(1, MOST_INNER + 1):
        reached = shrink(ahead - size * (gradient + (ahead - start) @ problem.bound), size * penalty)
        if done % LOOK == 0:
            slopes = gradient + (reached - start) @ problem.bound
            if residual(reached, slopes, penalty) <= least:
                return reached
        if float(((ahead - reached) * (reached - now)).sum()) > 0:
            momentum = 1.0
        now, ahead, momentum = reached, *_ahead(now, reached, momentum)
    return now


def _ahead(before: Point, now: Point, momentum: float) -> tuple[Point, float]:
    following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
    return now + (momentum - 1) / following * (now - before), following


def shrink(point: Point, by: float) -> Point:
    """Each neuron's weights shorter by `by`, or zero: the proximal step of the penalty. The bias stays."""
    length = lengths(point)
    shares = torch.where(length > by, 1 - by / length.clamp_min(1e-30), 0.0)
    return point * torch.cat([shares, shares.new_ones(1)])


def with_bias(inside: Bool[Tensor, " neuron"]) -> Bool[Tensor, " neuron_and_bias"]:
    """With the bias, which is always in."""
    return torch.cat([inside, inside.new_ones(1)])
