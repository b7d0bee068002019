"""Proximal Newton for one elastic-net problem (Lee, Sun and Saunders 2014), with sampled Hessians and working sets.

Each step minimises a model of the loss plus the penalty, on a working set of columns per label (Friedman, Hastie and
Tibshirani 2010, section 2.6: what is not zero, and what violates the optimum's conditions most), and is shortened until
the objective falls (section 2.3 of the first). The model is the sampled loss far from the optimum, and its quadratic
near it. From zeros λ1 comes down to the member's geometrically, a rough step at each value on the way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neuronprobe.probes.penalty import violation
from neuronprobe.probes.solvers.descent import Descent, Point, penalty, slope, thresholds
from neuronprobe.probes.solvers.model_lasso import Problem, solve
from neuronprobe.probes.solvers.sampled_hessian import Block, Reader, SampledHessian, sample
from neuronprobe.probes.solvers.sampled_loss import descend

RATIO, MOST_STAGES = 2.0, 12
"""λ1 comes down by at most this factor at a time, in at most so many steps."""
UNITS, FEWER, MORE = 50, 0.5, 1.5
"""A sample has UNITS × √(all units); a rough step FEWER of that; MORE after a step that did not help enough."""
HELPS = 0.6
"""A step helps if the residual falls below this share of what it was."""
FEWEST = 40
"""Columns that may come into the working set of a label at a time; or as many as any label uses."""
NEAR, CLOSE = 0.3, 0.93
"""With a residual below NEAR λ1 working sets also have all columns whose slope is above CLOSE λ1."""
EXACTNESS, LEAST_EXACTNESS = 0.1, 0.2
"""A model is solved to this share of the residual, but not below this share of the tolerance."""
QUADRATIC, FLAT = 0.1, 1e-4
"""With a residual below this share of λ1, or below FLAT, the model is quadratic, and its solution begins on the face of
the point."""
MOST_LEARNT = 3
"""Steps from which a quadratic model learns."""
SLACK = 2e-7
"""An objective of float32 is known up to this share of it."""
MOST_READ = 1 << 27
"""Activations of a model, at most (512 MiB): a sample of many columns has fewer units."""
SHORTEN, SHORTEST = 0.5, 2.0**-10
"""A step after which the objective is higher becomes shorter by this; the shortest is taken in any case."""
DENSE, MOST_GRAMS = 250.0, 1 << 27
"""Where the mean square of the working sets' sizes is above DENSE × the columns that any label uses, Gram matrices cost
more than they save (measured): FISTA is faster. It needs none, where they would have more than MOST_GRAMS numbers."""


@dataclass
class ProximalNewton(Descent):
    """Where one member is: `base` is the last accepted point, `way` the step from there that is being tried.

    `stage` is the λ1 that is being solved, `slopes` are those at `base`. Of the last model there are the working sets,
    the sample and the point whose Gram matrices it has: from these it can be made again; and the last ways that it led,
    with what the slopes gained on them.
    """

    tolerance: float = 1e-6
    stage: float = math.inf
    ratio: float = 1.0
    base: Point | None = None
    slopes: Point | None = None
    way: Point | None = None
    length: float = 1.0
    objective: float = math.inf
    residual_before: float = math.inf
    more: float = 1.0
    models: int = 0
    inside: Bool[Tensor, "label neuron"] | None = None
    units: Int[Tensor, " unit"] | None = None
    counts: Float[Tensor, " unit"] | None = None
    origin: Point | None = None
    ways: Float[Tensor, "way label neuron_and_bias"] | None = None
    gains: Float[Tensor, "way label neuron_and_bias"] | None = None
    model: SampledHessian | None = field(default=None, repr=False)

    def move(self, loss: float, gradient: Point, reader: Reader) -> bool:
        """One step, given loss and gradient at `point`, or the last step again, but shorter.

        False where working sets are so dense that FISTA is faster; nothing was moved then.
        """
        if self.way is not None and self.length > SHORTEST and self._is_worse(loss):
            self.length *= SHORTEN
            self._try()
            return True
        slopes = slope(self.point, gradient, self.l2)
        self._come_down(slopes)
        self.objective = loss + penalty(self.point, self.stage, self.l2)
        violations = violation(self.point, slopes, thresholds(self.point, self.stage))
        inside = working_sets(self.point, violations)
        if is_dense(inside):
            return False
        self._remember(slopes)
        self._choose_model(inside, violations, slopes, reader)
        self.residual_before = float(violations.max())
        self._go(slopes)
        return True

    def in_use(self) -> Bool[Tensor, " neuron"]:
        """Which columns are not zero everywhere."""
        return (self.point[:, :-1] != 0).any(0)

    def state(self) -> dict[str, Any]:
        """Without the model, which is made again."""
        return super().state() | {"model": None}

    @property
    def size(self) -> int:
        """How many numbers the model holds."""
        return 0 if self.model is None else self.model.size

    @property
    def is_rough(self) -> bool:
        """Whether λ1 is still on its way down."""
        return self.stage > self.l1

    def _is_worse(self, loss: float) -> bool:
        return loss + penalty(self.point, self.stage, self.l2) > self.objective + SLACK * abs(self.objective)

    def _come_down(self, slopes: Point) -> None:
        """The next λ1; from zeros the first is below the one at which these are optimal: the largest slope."""
        if self.base is None:
            self.stage = self.l1 if bool(self.in_use().any()) else float(slopes[:, :-1].abs().max())
            n = math.log(self.stage / self.l1, RATIO) if 0 < self.l1 < self.stage else 0.0
            self.ratio = (self.stage / self.l1) ** (1 / min(math.ceil(n), MOST_STAGES)) if n > 0 else math.inf
        if self.is_rough:
            self.stage, self.residual_before, self.more = max(self.stage / self.ratio, self.l1), math.inf, 1.0
        else:
            self.stage = self.l1

    def _remember(self, slopes: Point) -> None:
        """The step that was taken."""
        if self.base is not None and self.slopes is not None:
            way, gain = (self.point - self.base)[None], (slopes - self.slopes)[None]
            self.ways = way if self.ways is None else torch.cat([self.ways, way])[-MOST_LEARNT:]
            self.gains = gain if self.gains is None else torch.cat([self.gains, gain])[-MOST_LEARNT:]
        self.base, self.slopes = self.point, slopes

    def _choose_model(
        self, inside: Bool[Tensor, "label neuron"], violations: Point, slopes: Point, reader: Reader
    ) -> None:
        """The last one, where it has all columns and helped near the optimum; else one of a new sample."""
        residual = float(violations.max())
        helped, was_near = residual < HELPS * self.residual_before, self.residual_before < NEAR * self.stage
        if helped and was_near and self.inside is not None and not bool((inside & ~self.inside).any()):
            self.model = self._made(reader) if self.model is None else self.model
            return
        if was_near and not helped:
            self.more *= MORE
        if residual < NEAR * self.stage:
            inside = inside | (slopes[:, :-1].abs() > CLOSE * self.stage)
        self.models += 1
        n = UNITS * math.sqrt(len(reader.weights)) * (FEWER if self.is_rough else self.more)
        n = min(n, MOST_READ / max(1, int(inside.any(0).sum())))
        self.inside, self.origin, self.ways, self.gains = inside, self.point, None, None
        self.units, self.counts = sample(reader, round(n), seed=self.models)
        self.model = self._made(reader)

    def _made(self, reader: Reader) -> SampledHessian:
        """The model of the working sets, the sample and the origin."""
        assert self.inside is not None
        assert self.units is not None
        assert self.counts is not None
        assert self.origin is not None
        columns = self.inside.any(0).nonzero().flatten()
        read = reader.columns(self.units, columns)
        inside, origin = self.inside[:, columns], self._block(self.origin)
        return SampledHessian(read, self.counts.to(read), inside, self.l2, reader.curvature, origin)

    def _go(self, slopes: Point) -> None:
        """The whole step to the optimum of the model."""
        model, start = self.model, self._block(self.point)
        assert model is not None
        model.move_to(start)
        problem = Problem(model, start, self._block(slopes) * model.mask, thresholds(start, self.stage))
        tolerance = max(EXACTNESS * self.residual_before, LEAST_EXACTNESS * self.tolerance)
        if self.residual_before >= max(QUADRATIC * self.stage, FLAT):
            way = descend(problem, tolerance)
        else:
            if self.ways is not None and self.gains is not None:
                for taken, gained in zip(self.ways, self.gains, strict=True):
                    model.learn(self._block(taken), self._block(gained))
            way = solve(problem, tolerance, is_near=True)
        self.way = torch.zeros_like(self.point)
        self.way[:, self._columns()] = torch.where(
            start + way == 0, -self.point[:, self._columns()], way.to(self.point)
        )
        self.length = 1.0
        self._try()

    def _block(self, point: Point) -> Block:
        """The columns of the model, in float32."""
        return point[:, self._columns()].float()

    def _columns(self) -> Int[Tensor, " column_and_bias"]:
        assert self.inside is not None
        return torch.cat([self.inside.any(0), self.inside.new_ones(1)]).nonzero().flatten()

    def _try(self) -> None:
        assert self.base is not None
        assert self.way is not None
        self.point = self.base + self.length * self.way


def working_sets(point: Point, violations: Point) -> Bool[Tensor, "label neuron"]:
    """Per label: what is not zero, and the worst violators among the zeros, at most as many as any label uses."""
    used = point[:, :-1] != 0
    resting = torch.where(used, 0.0, violations[:, :-1])
    n = min(max(FEWEST, int(used.sum(1).max())), used.shape[1])
    least = resting.topk(n, dim=1).values[:, -1:] if n else resting
    return used | ((resting > 0) & (resting >= least))


def is_dense(inside: Bool[Tensor, "label neuron"]) -> bool:
    """Whether Gram matrices of these working sets cost more than they save, or more memory than there is."""
    squares = inside.sum(1).double().square()
    return float(squares.mean()) > DENSE * float(inside.any(0).sum()) or float(squares.sum()) > MOST_GRAMS
