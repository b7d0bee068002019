"""Solver `exact`: probes at their optimum, to a stated KKT residual; and λ1_max, above which every weight is zero."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from copy import copy
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.errors import InputError, choice, number, whole_number
from neuronprobe.probes.bank import Member, ProbeBank
from neuronprobe.probes.exact_bank import ExactBank
from neuronprobe.probes.fit import Fit
from neuronprobe.probes.probe import Probe

log = logging.getLogger(__name__)

MOST_HELD = 3.0
"""GiB of activations that are held in memory as float32; more are read from the store in every pass."""
MOST_SCORED = 0.1
"""Share of λ1 up to which `scored_tolerance` goes: one near λ1 would not tell which weights are zero."""


class ExactFit(Fit):
    """How probes are brought to their optimum: proximal Newton on all of train, or FISTA, along paths of λ1.

    The optimum is unique for λ2 > 0 only; λ1 = λ2 = 0 has none on separable data and is refused. Nothing is drawn,
    unless `start` is random: then members start at weights drawn by their seeds.
    """

    def __init__(
        self,
        l2: float | Sequence[float],
        l1: float | Sequence[float] | None = None,
        l1_shares: float | Sequence[float] | None = None,
        tolerance: float = 1e-6,
        scored_tolerance: float = 1e-4,
        epochs: int = 3000,
        block_size: int = 4096,
        seed: int = 0,
        start: str = "zeros",
        standardise: str = "zscore",
        class_weights: str = "none",
        accelerator: str = "cpu",
        precision: str = "32-true",
    ) -> None:
        """Either `l1` (absolute) or `l1_shares` (of λ1_max); `tolerance`: the KKT residual at which a probe is solved.

        `scored_tolerance`: that of new probes of which nothing but scores is read, where it is the looser one; a
        tenth of λ1 where that is less.
        `epochs`: most passes over train for each path; `block_size`: units that are read at a time, which changes
        nothing but time and memory.
        """
        if (l1 is None) == (l1_shares is None):
            raise InputError(
                f"probe.l1 or probe.l1_shares (of λ1_max) must be given, and not both, got {l1!r} and {l1_shares!r}; "
                "set the other to null."
            )
        self._is_relative = l1 is None
        block_size = whole_number("probe.block_size", block_size, 1)
        super().__init__(
            l1_shares if l1 is None else l1, l2, epochs, block_size, seed=seed, shuffle=False,  # type: ignore[arg-type]
            standardise=standardise, class_weights=class_weights, accelerator=accelerator, precision=_plain(precision),
        )  # fmt: skip
        self.solver = "exact"
        self._trainer = {"reload_dataloaders_every_n_epochs": 0}  # the order is always the same
        self.shares = self.l1 if self._is_relative else None
        self.tolerance = number("probe.tolerance", tolerance, 1e-12, 1.0)
        self._scored_tolerance = number("probe.scored_tolerance", scored_tolerance, 1e-12, 1.0)
        self._decisive = "probe.tolerance"
        self.start = choice("probe.start", start, ("zeros", "random"))
        for pair in self.pairs:
            _refuse_unregularised(*pair)

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the weights of the λ grid, as plain data."""
        names = ("solver", "l1", "shares", "l2", "tolerance", "epochs", "batch_size", "seed", "start")
        return {name: getattr(self, name) for name in (*names, "standardise", "class_weights")} | self._machine

    @property
    def reference(self) -> tuple[float, float]:
        """The weakest pair of the grid: the unregularised probe has no optimum that could be computed."""
        return self.pairs[0]

    def grid(self) -> list[Member]:
        """A member for each pair."""
        return [Member(l1, l2, self.seed) for l1, l2 in self.pairs]

    def with_seed(self, seed: int) -> Self:
        """The same fit from weights drawn by the seed: from zeros it would repeat itself."""
        other = super().with_seed(seed)
        other.start = "random"
        return other

    def for_scores(self, l1: float) -> Self:
        """The same fit to the tolerance of probes that are scored and not ranked, a share of λ1 at most."""
        other, most = copy(self), MOST_SCORED * l1 if l1 > 0 else math.inf
        if min(self._scored_tolerance, most) > self.tolerance:
            other.tolerance = min(self._scored_tolerance, most)
            other._decisive = "probe.tolerance" if most < self._scored_tolerance else "probe.scored_tolerance"
        return other

    def steps(self, train: Split) -> int | None:
        """None: the optimum is what λ makes it, however few the words are."""
        return None

    def related(self, train: Split, recommended: int | None = None) -> Self:
        """The same fit with λ1 instead of shares of λ1_max; before it the grid is not known."""
        if self.shares is None:
            return self
        most, other = self.l1_max(Member(), train), copy(self)
        other.l1 = [share * most for share in self.shares]
        log.info("λ1_max is %.4g: the grid's λ1 are %s.", most, ", ".join(f"{l1:.3g}" for l1 in other.l1))
        return other

    def l1_max(self, member: Member, train: Split) -> float:
        """The least λ1 at which all weights of a member are zero, whatever λ2 is; in one pass over train.

        max over neurons j and labels c of |mean_i v_i x_ij r_ic|: v the units' weights, r the rest of the target (with
        labels π_c − y_ic, π their shares).
        """
        (member,) = self._weighted([member], train)
        level = _level(member, train)
        labels = train.units.labels if member.labels is None else member.labels
        total = torch.zeros(train.n_labels, len(train.neurons), dtype=torch.float64, device=train.device)
        for batch in train.blocks(self.batch_size):
            positions = batch.positions.cpu()
            rest = train.target.rest(level, labels[positions])
            rest = rest if member.weights is None else rest * member.weights[positions, None]
            total += rest.T.to(train.device) @ batch.activations.double()
        if self.standardise == "zscore":  # the means drop out: the rests of a label sum to 0
            total = total / train.standardisation.deviation
        if member.neurons is not None:
            total = total[:, member.neurons]
        return float(total.abs().max()) / len(train)

    def bank(
        self, members: Sequence[Member], train: Split, dev: Split | None = None, metric: str = "auto"
    ) -> ProbeBank:
        """A bank at its start. Raises InputError where a member has λ1 = λ2 = 0."""
        for member in members:
            _refuse_unregularised(member.l1, member.l2)
        members = self._weighted(members, train)
        train.hold(MOST_HELD)
        bank = ExactBank(
            members, len(train.neurons), train.target, train, self.epochs, self.tolerance, self.start,
            dev.units if dev is not None else None,
            train.standardisation if self.standardise == "zscore" else None, metric,
        )  # fmt: skip
        bank.start_at([train.target.start(_level(member, train)) for member in members], self.start == "zeros")
        return bank

    def trained(self, bank: ProbeBank, train: Split) -> list[Probe]:
        """The probes of a bank with how far each came; says how many did not come to their optimum."""
        probes = bank.probes()
        late = [probe for probe in probes if probe.optimality is None or not probe.optimality.converged]
        if late:
            worst = max(float("inf") if p.optimality is None else p.optimality.residual for p in late)
            log.warning(
                "%d of %d probes did not come to their optimum in %d passes: the largest KKT residual is %.1e, above "
                "the tolerance of %.1e; raise probe.epochs, %s or the weakest λ.",
                len(late), len(probes), self.epochs, worst, self.tolerance, self._decisive,
            )  # fmt: skip
        return probes


def _level(member: Member, train: Split) -> Float[Tensor, " label"]:
    """What a member predicts at the optimum where all its weights are zero."""
    labels = train.units.labels if member.labels is None else member.labels
    return train.target.level(labels, member.weights)


def _refuse_unregularised(l1: float, l2: float) -> None:
    if l1 == l2 == 0:
        raise InputError(
            "probe.l1 and probe.l2 must not both be 0 for solver exact, got 0 and 0: on separable data there is no "
            "optimum; raise one of them or choose probe=adam."
        )


def _plain(precision: str) -> str:
    """The precision without autocast, which would make the gradients too coarse for any tolerance."""
    if precision in ("32-true", "64-true", "32", "64"):
        return precision
    if str(precision).endswith("mixed"):
        log.info("Solver exact computes in float32: %s is not applied to it.", precision)
        return "32-true"
    raise InputError(f"probe.precision must be 32-true or 64-true for solver exact, got {precision!r}.")
