"""The lasso of a sampled loss that has the gradient of the whole one (Shamir, Srebro and Zhang 2014, section 3: DANE).

min g·δ + D(δ) + λ1‖θ + δ‖₁: g is the whole gradient, D by how much the sampled loss is above its tangent. Far from the
optimum a quadratic model says little: the curvature of a label with small shares grows exponentially along the way
(Bach 2010, section 2: self-concordance). This costs rounds on the sample instead of passes over all units.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.probes.penalty import violation
from neuronprobe.probes.solvers.model_lasso import Problem, solve
from neuronprobe.probes.solvers.sampled_hessian import Block

ROUNDS, ENOUGH = 2, 0.1
"""Quadratic models one after the other, at most; no more once violations are below this share of the first."""
INNER = 0.3
"""Each is solved to this share of the violations where it begins."""
FARTHEST = 3.0
"""A quadratic model holds for a label until one of its outputs has changed by this."""
SHORTEN, MOST_SHORTER = 0.5, 10
"""Where the sampled loss does not fall, as often."""


def descend(problem: Problem, tolerance: float) -> Block:
    """The way to the optimum or nearly; where the sampled loss does not fall, one for which a quadratic model holds.

    The Hessian of the problem is at its start, and somewhere on the way after it.
    """
    hessian, start, gradient, l1 = problem
    before, slope, first = hessian.curvature, gradient, 0.0
    way, gone, lowest = torch.zeros_like(start), torch.zeros_like(before.slopes), 0.0

    def value(tried: Block, ahead: Tensor) -> float:
        smooth = float((gradient * tried).double().sum()) + hessian.excess(before, tried, ahead)
        return smooth + float((l1 * ((start + tried).abs() - start.abs())).double().sum())

    for n in range(ROUNDS):
        point = start + way
        worst = float((violation(point, slope, l1) * hessian.mask).max())
        first = first or worst
        if n and worst <= ENOUGH * first:
            break
        step = solve(Problem(hessian, point, slope, l1), max(tolerance, INNER * worst))
        ahead, best = hessian.outputs(step), None
        shares = _shares(ahead)
        for i, share in enumerate(shares):
            tried, further = torch.where(point + share * step == 0, -start, way + share * step), gone + share * ahead
            if (reached := value(tried, further)) < lowest:
                lowest, best = reached, (tried, further)
            if i and best is not None:
                break
        if best is None:
            return way if n else shares[1] * step
        way, gone = best
        if n + 1 < ROUNDS:
            hessian.move_to(start + way)
            slope = (gradient + hessian.gained(before, way)) * hessian.mask
    return way


def _shares(ahead: Float[Tensor, "label unit"]) -> list[Float[Tensor, "label 1"]]:
    """How much of a step is tried for each label: all; what its quadratic model holds for; less and less of that."""
    holds = (FARTHEST / ahead.abs().amax(1, keepdim=True).clamp_min(1e-30)).clamp_max(1.0)
    return [torch.ones_like(holds), *(SHORTEN**n * holds for n in range(MOST_SHORTER))]
