"""The lasso on a Gram matrix by semismooth Newton steps (Hintermüller, Ito and Kunisch 2003: primal-dual active sets).

A proximal step says what is zero and which signs the rest has; on that face the optimum is one linear solve.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.probes.penalty import soft_threshold, violation

MOST_STEPS, MOST_ACCELERATED, POWERS = 12, 25, 6
"""Newton steps; steps of the accelerated proximal gradient where a Newton step fails; products for the eigenvalue."""
SAFE = 1.2
"""The largest eigenvalue is at most this times what those products show."""

Own = Float[Tensor, " own"]
"""Of the columns in the working set of one label, the bias last."""


class _Lasso(NamedTuple):
    """min g·δ + ½ δᵀGδ + Σ λ1|θ + δ|, which is 0 at δ = 0."""

    gram: Float[Tensor, "own own"]
    gradient: Own
    start: Own
    l1: Own
    curvature: float

    def value(self, way: Own, product: Own) -> float:
        smooth = (self.gradient * way + 0.5 * way * product).double().sum()
        return float(smooth + (self.l1 * ((self.start + way).abs() - self.start.abs())).double().sum())


def lasso(gram: Float[Tensor, "own own"], gradient: Own, start: Own, l1: Own, tolerance: float) -> Own:
    """δ of min g·δ + ½ δᵀGδ + Σ λ1|θ + δ|; θ + δ is exactly 0 where it is zero. `l1` is 0 for the bias."""
    problem = _Lasso(gram, gradient, start, l1, _largest_eigenvalue(gram))
    way, product, best = torch.zeros_like(start), torch.zeros_like(start), 0.0
    for _ in range(MOST_STEPS):
        if float(violation(start + way, gradient + product, l1).max()) <= tolerance:
            break
        better = _first_better(problem, way, product, best)
        if better is None:
            break
        way, product, best = better
    return way


def _first_better(problem: _Lasso, way: Own, product: Own, best: float) -> tuple[Own, Own, float] | None:
    propose: Callable[[_Lasso, Own, Own], Own]
    for propose in (_newton, _accelerated):
        tried = propose(problem, way, product)
        tried_product = problem.gram @ tried
        value = problem.value(tried, tried_product)
        if value < best:
            return tried, tried_product, value
    return None


def _newton(problem: _Lasso, way: Own, product: Own) -> Own:
    """The optimum on the face that a proximal step shows; what would change its sign stops at 0."""
    gram, gradient, start, l1, curvature = problem
    forward = start + way - (gradient + product) / curvature
    is_free = (forward.abs() > l1 / curvature) | (l1 == 0)
    free = is_free.nonzero().flatten()
    signs = forward.sign()[free] * (l1[free] > 0)
    rest = torch.where(is_free, 0.0, -start)
    factor, _ = torch.linalg.cholesky_ex(gram[free][:, free])
    slope = gradient[free] + l1[free] * signs + (gram @ rest)[free]
    step = -torch.cholesky_solve(slope[:, None], factor)[:, 0]
    keeps_sign = (start[free] + step).sign() * signs >= 0
    rest[free] = torch.where(keeps_sign, step, -start[free])
    return rest


def _accelerated(problem: _Lasso, way: Own, product: Own) -> Own:
    """Some steps of FISTA (Beck and Teboulle 2009), with a fixed step size."""
    gram, gradient, start, l1, curvature = problem
    ahead, momentum = way, 1.0
    for _ in range(MOST_ACCELERATED):
        stepped = soft_threshold(start + ahead - (gradient + product) / curvature, l1 / curvature)
        stepped = torch.where(stepped == 0, -start, stepped - start)
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = stepped + (momentum - 1) / following * (stepped - way)
        way, momentum, product = stepped, following, gram @ ahead
    return way


def _largest_eigenvalue(gram: Float[Tensor, "own own"]) -> float:
    vector = torch.ones_like(gram[0])
    for _ in range(POWERS):
        vector = gram @ vector
        vector = vector / vector.norm().clamp_min(1e-30)
    return SAFE * float(vector @ (gram @ vector))
