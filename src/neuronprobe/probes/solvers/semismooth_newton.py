"""The lasso on Gram matrices by semismooth Newton steps (Hintermüller, Ito and Kunisch 2003: primal-dual active sets).

A proximal step says what is zero and which signs the rest has; on that face the optimum is one linear solve. Several
lassos, those of labels, are solved side by side.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.probes.penalty import soft_threshold, violation

MOST_STEPS, MOST_ACCELERATED, POWERS = 12, 25, 6
"""Newton steps; steps of the accelerated proximal gradient where a Newton step fails; products for the eigenvalue."""
SAFE = 1.2
"""The largest eigenvalue is at most this times what those products show."""

Rows = Float[Tensor, "label own"]
"""Of the columns in the working set of each label, the bias among them."""
Grams = Float[Tensor, "label own own"]


class _Lasso(NamedTuple):
    """min g·δ + ½ δᵀGδ + Σ λ1|θ + δ| of each label, which is 0 at δ = 0."""

    grams: Grams
    gradient: Rows
    start: Rows
    l1: Rows
    curvature: Float[Tensor, "label 1"]

    def value(self, way: Rows, product: Rows) -> Float[Tensor, " label"]:
        smooth = (self.gradient * way + 0.5 * way * product).double().sum(1)
        return smooth + (self.l1 * ((self.start + way).abs() - self.start.abs())).double().sum(1)

    def some(self, chosen: Bool[Tensor, " label"]) -> _Lasso:
        return _Lasso(*(part[chosen] for part in self))


def lasso(grams: Grams, gradient: Rows, start: Rows, l1: Rows, tolerance: Float[Tensor, " label"]) -> Rows:
    """δ of min g·δ + ½ δᵀGδ + Σ λ1|θ + δ|; θ + δ is exactly 0 where it is zero. `l1` is 0 for the bias."""
    problem = _Lasso(grams, gradient, start, l1, _largest_eigenvalues(grams))
    way, product = torch.zeros_like(start), torch.zeros_like(start)
    best, failed = way.double().sum(1), torch.zeros_like(tolerance, dtype=torch.bool)
    for _ in range(MOST_STEPS):
        is_open = (violation(start + way, gradient + product, l1).amax(1) > tolerance) & ~failed
        if not bool(is_open.any()):
            break
        for propose in (_newton, _accelerated):
            chosen = problem.some(is_open)
            tried = propose(chosen, way[is_open], product[is_open])
            tried_product = times(chosen.grams, tried)
            value = chosen.value(tried, tried_product)
            is_better = value < best[is_open]
            better = is_open.nonzero().flatten()[is_better]
            way[better], product[better], best[better] = tried[is_better], tried_product[is_better], value[is_better]
            is_open[better] = False
            if not bool(is_open.any()):
                break
        failed |= is_open
    return way


def times(grams: Grams, rows: Rows) -> Rows:
    """G · δ of each label."""
    return torch.bmm(grams, rows[:, :, None])[:, :, 0]


def on_face(grams: Grams, is_free: Bool[Tensor, "label own"]) -> Grams:
    """Cholesky factors of the Gram matrices on the free columns, with the identity on the others."""
    blocks = grams * is_free[:, :, None] * is_free[:, None, :]
    blocks.diagonal(dim1=1, dim2=2).add_(~is_free)
    factors: Tensor = torch.linalg.cholesky_ex(blocks)[0]
    return factors


def _newton(problem: _Lasso, way: Rows, product: Rows) -> Rows:
    """The optimum on the face that a proximal step shows; what would change its sign stops at 0."""
    grams, gradient, start, l1, curvature = problem
    forward = start + way - (gradient + product) / curvature
    is_free = (forward.abs() > l1 / curvature) | (l1 == 0)
    signs = forward.sign() * (l1 > 0)
    rest = torch.where(is_free, 0.0, -start)
    slope = torch.where(is_free, gradient + l1 * signs + times(grams, rest), 0.0)
    step = -torch.cholesky_solve(slope[:, :, None], on_face(grams, is_free))[:, :, 0]
    keeps_sign = (start + step).sign() * signs >= 0
    return torch.where(is_free & keeps_sign, step, -start)


def _accelerated(problem: _Lasso, way: Rows, product: Rows) -> Rows:
    """Some steps of FISTA (Beck and Teboulle 2009), with a fixed step size."""
    grams, gradient, start, l1, curvature = problem
    ahead, momentum = way, 1.0
    for _ in range(MOST_ACCELERATED):
        stepped = soft_threshold(start + ahead - (gradient + product) / curvature, l1 / curvature)
        stepped = torch.where(stepped == 0, -start, stepped - start)
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = stepped + (momentum - 1) / following * (stepped - way)
        way, momentum, product = stepped, following, times(grams, ahead)
    return way


def _largest_eigenvalues(grams: Grams) -> Float[Tensor, "label 1"]:
    vectors = torch.ones_like(grams[:, 0])
    for _ in range(POWERS):
        vectors = times(grams, vectors)
        vectors = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-30)
    return SAFE * (vectors * times(grams, vectors)).sum(1, keepdim=True)
