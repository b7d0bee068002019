"""Paths of λ1: members that differ in λ1 only are solved from the strongest to the weakest, each from the one before.

Friedman, Hastie and Tibshirani 2010, sections 2.5 and 2.6: warm starts, and active sets: most passes may read only the
neurons in use; a member that is solved on those is settled, and counts as solved once all neurons agree. Members begin
with proximal Newton, which reads all neurons in every pass and needs few; where one becomes dense FISTA goes on with it
and with the rest of its path.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from neuronprobe.probes.bank import Member
from neuronprobe.probes.probe import Optimality
from neuronprobe.probes.solvers.descent import Descent, Point
from neuronprobe.probes.solvers.fista import Fista
from neuronprobe.probes.solvers.proximal_newton import ProximalNewton
from neuronprobe.probes.solvers.sampled_hessian import Reader

FLOOR, FINE = 5e-7, 2e-6
"""In float32 residuals are known to about 1e-7: below the tolerance FLOOR passes are made in float64 once the residual
is below FINE."""


class RegularisationPaths:
    """Where all members of a bank are on their paths; all paths are walked together, a pass over the units a step.

    `reached[m]` is there once member m was solved, or given up when its share of the passes was used.
    """

    def __init__(
        self, members: Sequence[Member], starts: Sequence[Point], tolerance: float, passes: int, kept: float = math.inf
    ) -> None:
        """`starts` are the points of all members; `passes` are there for each path.

        `kept`: how many numbers Newton's models may hold between two steps, all together; what is not kept is made
        again where it is needed, so that beside those there is one model at a time.
        """
        self._members, self._tolerance, self._passes, self._kept = members, tolerance, passes, kept
        self._next = {before: after for path in paths(members) for before, after in pairwise(path)}
        self.descents: dict[int, Fista | ProximalNewton] = {}
        self.reached: dict[int, Optimality] = {}
        self._done = 0
        self._settled: set[int] = set()
        self._last_pass: dict[int, int] = {}
        self._residuals: dict[int, tuple[float, float]] = {}
        """Where each member began, and how near it came."""
        for path in paths(members):
            self._begin(path[0], starts[path[0]].double())

    @property
    def is_over(self) -> bool:
        """Whether every member was solved or given up."""
        return not self.descents

    @property
    def progress(self) -> float:
        """Members that are over, and of each in play how much of the way its residual has come, by its logarithm."""
        return len(self.reached) + sum(self._share(*self._residuals[m]) for m in self.descents if m in self._residuals)

    @property
    def passes_left(self) -> int:
        """Passes until the last member is given up."""
        return self._passes - self._done

    def in_play(self) -> tuple[list[int], bool]:
        """The members whose gradients the next pass must give, and whether it must read all neurons."""
        moving = [m for m in self.descents if m not in self._settled]
        if not moving or any(self._last_pass[m] <= self._done + 1 for m in self.descents):
            return list(self.descents), True
        newton = self.newton()
        return (newton, True) if newton else (moving, False)

    def newton(self) -> list[int]:
        """The members that proximal Newton solves: their passes must tell the curvature of every unit."""
        return [m for m, descent in self.descents.items() if isinstance(descent, ProximalNewton)]

    def is_fine(self, members: Sequence[int]) -> bool:
        """Whether the gradients of these members are wanted in float64."""
        return any(self.descents[m].is_fine for m in members)

    def step(
        self,
        losses: Mapping[int, float],
        gradients: Mapping[int, Point],
        is_whole: bool,
        readers: Mapping[int, Reader] | None = None,
    ) -> dict[int, Point]:
        """Move every member in play; `is_whole` says that all neurons were read. The points of those that are over."""
        self._done += 1
        over: dict[int, Point] = {}
        for m, gradient in gradients.items():
            if is_whole:
                self._settled.discard(m)
                over |= self._advance(m, losses[m], gradient.double(), (readers or {}).get(m))
            elif self._residual(m, gradient) <= self._tolerance:
                self._settled.add(m)
            else:
                self._move(m, losses[m], gradient.double())
        return over

    def columns(self) -> Tensor:
        """Which neurons any member in play uses, as a mask."""
        return torch.stack([descent.in_use() for descent in self.descents.values()]).any(0)

    def to(self, device: torch.device) -> None:
        """Move the members in play to a device."""
        for descent in self.descents.values():
            descent.to(device)

    def state_dict(self) -> dict[str, Any]:
        """Plain data and tensors."""
        return {
            "descents": {m: descent.state() for m, descent in self.descents.items()},
            "newton": self.newton(),
            "reached": {m: asdict(reached) for m, reached in self.reached.items()},
            "settled": sorted(self._settled),
            "last_pass": dict(self._last_pass),
            "residuals": dict(self._residuals),
            "done": self._done,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.descents = {
            m: (ProximalNewton if m in state["newton"] else Fista)(**descent)
            for m, descent in state["descents"].items()
        }
        self.reached = {m: Optimality(**reached) for m, reached in state["reached"].items()}
        self._settled, self._last_pass, self._done = set(state["settled"]), dict(state["last_pass"]), state["done"]
        self._residuals = dict(state["residuals"])

    def _advance(self, m: int, loss: float, gradient: Point, reader: Reader | None) -> dict[int, Point]:
        """A step; where the member is over its successor begins at the same point, with the same gradient."""
        over: dict[int, Point] = {}
        while True:
            descent, residual = self.descents[m], self._residual(m, gradient)
            is_solved = residual <= self._tolerance
            if not is_solved and self._last_pass[m] > self._done:
                self._move(m, loss, gradient, reader)
                return over
            self.reached[m] = _reached(descent, loss, residual, is_solved)
            over[m] = self.descents.pop(m).point
            if m not in self._next:
                return over
            m = self._next[m]
            self._begin(m, descent.point, descent)

    def _move(self, m: int, loss: float, gradient: Point, reader: Reader | None = None) -> None:
        """A step of the member's solver; FISTA takes over where Newton would be slower."""
        descent = self.descents[m]
        if isinstance(descent, ProximalNewton):
            assert reader is not None
            if descent.move(loss, gradient, reader):
                self._let_go(descent)
                return
            descent = self.descents[m] = Fista(descent.point, descent.l1, descent.l2, descent.is_fine)
        descent.move(gradient)

    def _let_go(self, moved: ProximalNewton) -> None:
        if sum(one.size for one in self.descents.values() if isinstance(one, ProximalNewton)) > self._kept:
            moved.model = None

    def _share(self, first: float, least: float) -> float:
        if not self._tolerance < first < math.inf:
            return 0.0
        return math.log(first / max(least, self._tolerance)) / math.log(first / self._tolerance)

    def _residual(self, m: int, gradient: Point) -> float:
        descent = self.descents[m]
        residual = descent.residual(gradient)
        first, least = self._residuals.get(m, (residual, residual))
        self._residuals[m] = first, min(least, residual)
        descent.is_fine |= self._tolerance < FLOOR and residual < FINE
        return residual

    def _begin(self, m: int, point: Point, before: Descent | None = None) -> None:
        """The passes that are left are shared evenly among the rest of the path."""
        l1, l2 = self._members[m].l1, self._members[m].l2
        if isinstance(before, Fista):
            self.descents[m] = Fista(point, l1, l2, curvature=before.curvature)
        else:
            self.descents[m] = ProximalNewton(point, l1, l2, tolerance=self._tolerance)
        left, after = 1, m
        while after in self._next:
            left, after = left + 1, self._next[after]
        self._last_pass[m] = self._done + self.passes_left // left


def paths(members: Sequence[Member]) -> list[list[int]]:
    """Members that differ in λ1 only, the strongest first; those that begin near another probe stand alone."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for m, member in enumerate(members):
        alone = None if member.near is None else m
        own = (alone, _content(member.neurons), _content(member.labels), _content(member.weights))
        found.setdefault((member.l2, member.seed, *own), []).append(m)
    return [sorted(path, key=lambda m: -members[m].l1) for path in found.values()]


def _content(tensor: Tensor | None) -> bytes | None:
    return None if tensor is None else tensor.cpu().numpy().tobytes()


def _reached(descent: Descent, loss: float, residual: float, is_solved: bool) -> Optimality:
    zeros = float((descent.point[:, :-1] == 0).double().mean())
    return Optimality(loss + descent.penalty(), residual, zeros, descent.l2 > 0, is_solved)
