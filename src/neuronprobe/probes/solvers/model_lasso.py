"""The lasso of a quadratic model, min g·δ + ½ δᵀHδ + λ1‖θ + δ‖₁, all labels coupled (Lee, Sun and Saunders 2014, §2).

A lasso step per label, on its own Gram matrix, finds zeros and signs; conjugate gradients on that face couple the
labels. All is written in the way δ: differences of objectives of size 1 say nothing in float32 near the optimum.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.probes.penalty import violation
from neuronprobe.probes.solvers.sampled_hessian import Block, SampledHessian
from neuronprobe.probes.solvers.semismooth_newton import lasso, on_face

MOST_PRODUCTS, MOST_CUTS = 40, 6
"""Products on a face; shorter steps on it."""
CUT = 0.4
PART, PART_OF_LABEL = 0.1, 0.2
"""Labels that violate the conditions by less than PART of the tolerance stay; others are solved to PART_OF_LABEL of
their violation."""
NEVER = 1e30
"""λ1 of columns that are not there."""
FACE = 0.05
"""Conjugate gradients stop at this share of the slope that they began with."""


class Problem(NamedTuple):
    """A model around `start`: its Hessian, the gradient there, and λ1 of each column (0 for the bias)."""

    hessian: SampledHessian
    start: Block
    gradient: Block
    l1: Float[Tensor, " column_and_bias"]

    def value(self, way: Block, product: Block) -> float:
        """How much lower the model is at the end of `way`; `product` is H · way."""
        smooth = (self.gradient * way).double().sum() + 0.5 * (way * product).double().sum()
        return float(smooth + (self.l1 * ((self.start + way).abs() - self.start.abs())).double().sum())


def solve(problem: Problem, tolerance: float, is_near: bool = False) -> Block:
    """The way to the model's optimum, to `tolerance` in units of the gradient or nearly.

    Near the optimum most zeros and signs are right: the face comes first, and only labels that it leaves violated after
    it.
    """
    way = product = torch.zeros_like(problem.start)
    if is_near:
        way, product = _on_the_face(problem, way, product, tolerance)
    worst = (violation(problem.start + way, problem.gradient + product, problem.l1) * problem.hessian.mask).amax(1)
    if float(worst.max()) > tolerance:
        way, product = _label_by_label(problem, way, product, worst, tolerance)
        way, product = _on_the_face(problem, way, product, tolerance)
    return way


def _label_by_label(
    problem: Problem, way: Block, product: Block, violations: Float[Tensor, " label"], tolerance: float
) -> tuple[Block, Block]:
    """Each label's lasso on its majorising Gram matrix; taken if the coupled model falls."""
    hessian, start, gradient, l1 = problem
    slope, point, tried, penalty = gradient + product, start + way, way.clone(), l1.expand_as(start)
    for bucket in hessian.buckets:
        bounds = torch.where(violations > PART * tolerance, PART_OF_LABEL * violations, torch.inf)[bucket.labels[:, 0]]
        if bool(bounds.isinf().all()):
            continue
        at, grams = bucket.take(point), hessian.curvature.coupling * bucket.grams
        step = lasso(grams, bucket.take(slope), at, bucket.take(penalty, behind=NEVER), bounds)
        bucket.put(tried, torch.where(at + step == 0, -bucket.take(start), bucket.take(way) + step))
    tried_product = hessian.times(tried)
    if problem.value(tried, tried_product) < problem.value(way, product):
        return tried, tried_product
    return way, product


def _on_the_face(problem: Problem, way: Block, product: Block, tolerance: float) -> tuple[Block, Block]:
    """The optimum with zeros and signs as they are; what would change its sign stops at 0."""
    hessian, start, gradient, l1 = problem
    point = start + way
    free, signs = ((point != 0) | (l1 == 0)) & hessian.mask, point.sign() * (l1 > 0)
    step, step_product = _conjugate_gradients(hessian, -(gradient + product + l1 * signs) * free, free, tolerance)
    before, length = problem.value(way, product), 1.0
    for _ in range(MOST_CUTS):
        tried = way + length * step
        crosses = (start + tried).sign() * signs < 0
        tried = torch.where(crosses, -start, tried)
        tried_product = hessian.times(tried) if bool(crosses.any()) else product + length * step_product
        if problem.value(tried, tried_product) <= before:
            return tried, tried_product
        length *= CUT
    return way, product


def _conjugate_gradients(
    hessian: SampledHessian, rest: Block, free: Bool[Tensor, "label column_and_bias"], tolerance: float
) -> tuple[Block, Block]:
    """H_FF⁻¹ · rest and H times it; the preconditioner is the labels' Gram matrices."""
    precondition = _Preconditioner(hessian, free)
    step, step_product = torch.zeros_like(rest), torch.zeros_like(rest)
    enough = max(FACE * float(rest.abs().max()), 0.3 * tolerance)
    solved = precondition(rest)
    direction, size = solved, float((rest * solved).sum())
    for _ in range(MOST_PRODUCTS):
        if float(rest.abs().max()) <= enough or size <= 0:
            break
        product = hessian.times(direction)
        curvature = float((direction * product).sum())
        if curvature <= 0:  # of float32: there is none
            break
        length = size / curvature
        step, step_product = step + length * direction, step_product + length * product
        rest = rest - length * product * free
        solved = precondition(rest)
        before, size = size, float((rest * solved).sum())
        direction = solved + size / before * direction
    return step, step_product


class _Preconditioner:
    """Solves each label's block on the free columns, by its Cholesky factor."""

    def __init__(self, hessian: SampledHessian, free: Bool[Tensor, "label column_and_bias"]) -> None:
        self._parts = []
        for bucket in hessian.buckets:
            is_free = bucket.take(free.to(bucket.grams)) > 0
            self._parts.append((bucket, on_face(bucket.grams, is_free)))

    def __call__(self, rest: Block) -> Block:
        """What is not free is 0 in `rest`, and stays so."""
        found = torch.zeros_like(rest)
        for bucket, factors in self._parts:
            bucket.put(found, torch.cholesky_solve(bucket.take(rest)[:, :, None], factors)[:, :, 0])
        return found
