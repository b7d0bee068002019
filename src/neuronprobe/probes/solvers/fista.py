"""Accelerated proximal gradient descent of one elastic-net problem (Beck and Teboulle 2009, FISTA).

The step size back-tracks (section 4 there) and momentum restarts where it points uphill (O'Donoghue and Candès 2015,
section 3.2, gradient scheme). Only gradients are asked for, one per step: whether a step was too long shows in the
gradient at the next point, and then it is taken again from where it began.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from neuronprobe.probes.penalty import soft_threshold
from neuronprobe.probes.solvers.descent import Descent, Point

SLACK, GROWTH, MOST_GROWTH, DECAY = 1.05, 1.5, 10.0, 0.98
"""A step is too long where the curvature that it met exceeds the assumed one by SLACK; the assumed one then grows by
GROWTH at least and MOST_GROWTH at most; after each good step it decays, so that steps can lengthen again."""


@dataclass
class Fista(Descent):
    """Where one member is: the gradient of its mean loss is wanted at `point`.

    `curvature` is 1 / step size. `base` and `slope` are the last accepted point and the gradient there, `last` and
    `ahead` the proximal steps before and after it.
    """

    curvature: float = 1.0
    momentum: float = 1.0
    next_momentum: float = 1.0
    base: Point | None = None
    slope: Point | None = None
    last: Point | None = None
    ahead: Point | None = None

    def move(self, gradient: Point) -> None:
        """One step, given the gradient at `point`; or the last step again, but shorter."""
        met = self._curvature_met(gradient)
        if met > SLACK * self.curvature:
            self.curvature = min(max(met, GROWTH * self.curvature), MOST_GROWTH * self.curvature)
        else:
            self.last = self.point if self.ahead is None else self.ahead
            self.base, self.slope, self.momentum = self.point, gradient, self.next_momentum
            self.curvature *= DECAY
        self._step()

    def in_use(self) -> Tensor:
        """Which columns are not zero everywhere, now and at the next steps."""
        used = self.point[:, :-1] != 0
        for other in (self.base, self.last, self.ahead):
            if other is not None:
                used |= other[:, :-1] != 0
        return used.any(0)

    def _curvature_met(self, gradient: Point) -> float:
        if self.base is None or self.slope is None:
            return 0.0
        way = self.point - self.base
        length = float(way.square().sum())
        return float(((gradient - self.slope) * way).sum()) / length if length > 0 else 0.0

    def _step(self) -> None:
        assert self.base is not None
        assert self.slope is not None
        assert self.last is not None
        self.ahead = self._proximal(self.base - self.slope / self.curvature)
        forward = self.ahead - self.last
        if float(((self.base - self.ahead) * forward).sum()) > 0:
            self.momentum = 1.0
        self.next_momentum = (1 + math.sqrt(1 + 4 * self.momentum**2)) / 2
        self.point = self.ahead + (self.momentum - 1) / self.next_momentum * forward

    def _proximal(self, point: Point) -> Point:
        weights = soft_threshold(point[:, :-1], self.l1 / self.curvature) / (1 + 2 * self.l2 / self.curvature)
        return torch.cat([weights, point[:, -1:]], dim=1)
