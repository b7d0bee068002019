"""The bank of solver `exact`: one epoch is one pass over train in blocks, and one step of every member in play."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.activations.split import Split, Standardisation
from neuronprobe.errors import InputError
from neuronprobe.probes.bank import Member, ProbeBank
from neuronprobe.probes.group import Group, lie_by_neuron, outputs
from neuronprobe.probes.probe import Probe
from neuronprobe.probes.solvers.descent import Point
from neuronprobe.probes.solvers.proximal import Proximal
from neuronprobe.probes.solvers.regularisation_path import RegularisationPaths
from neuronprobe.probes.solvers.sampled_hessian import Reader
from neuronprobe.targets import Target
from neuronprobe.types import Batch, Units

FEW = 0.8
"""Passes read the neurons in use alone where those are at most this share of what they read before."""
MOST_HELD = 1 << 28
"""Activations of the neurons in use that are held together in memory, at most (1 GiB)."""
MOST_MODELS, PART = 1 << 26, 0.25
"""Numbers that the models of proximal Newton hold between two passes (256 MiB), at most, and at most this part of the
memory limit."""
VALIDATE_EVERY = 50
"""Passes between two validations."""
DRAWN, MOST_DRAWN = 0.02, 40
"""Share of a label's weights that a random start draws, and how many at most: proximal Newton begins where few are
other than zero."""


class ExactBank(ProbeBank):
    """A bank whose members go along their λ paths; `weights` and `bias` hold the points of those that are over."""

    automatic_optimization = False

    def __init__(
        self,
        members: Sequence[Member],
        n_neurons: int,
        target: Target,
        train: Split,
        passes: int,
        tolerance: float = 1e-5,
        start: str = "zeros",
        dev: Units | None = None,
        standardisation: Standardisation | None = None,
        metric: str = "auto",
    ) -> None:
        """`start` is zeros, or random by each member's seed: few weights of each label; at most `passes` over train."""
        super().__init__(members, n_neurons, target, Proximal(), dev, standardisation, metric)
        self.requires_grad_(False)
        for weights, positions in zip(self.weights, self.positions, strict=True):
            weights.zero_()
            if start == "random":
                for own, m in zip(weights, positions, strict=True):
                    _draw(own, self.members[m].seed)
        self._train, self._n_neurons, self._tolerance, self._passes = train, n_neurons, tolerance, passes
        self._position = {m: (g, i) for g, positions in enumerate(self.positions) for i, m in enumerate(positions)}
        self._paths: RegularisationPaths | None = None
        self._columns: Int[Tensor, " column"] | None = None
        self._held: dict[int, Tensor] = {}
        self._residual = float("inf")

    @property
    def paths(self) -> RegularisationPaths:
        """Where the members are; begun when it is first asked for, on the device of the bank."""
        if self._paths is None:
            starts = [torch.cat([self.weights[g][p], self.bias[g][p][:, None]], dim=1) for g, p in self._by_member()]
            kept = min(MOST_MODELS, PART * self._train.memory_limit * 2**30 / 4)
            self._paths = RegularisationPaths(self.members, starts, self._tolerance, self._passes, kept)
        return self._paths

    @property
    def progress(self) -> tuple[float, float]:
        """How many members are solved or given up, with parts of the others, of all."""
        return self.paths.progress, float(len(self.members))

    def start_at(self, biases: Sequence[Float[Tensor, " label"]], is_near: bool = True) -> None:
        """Where the biases of the members begin; or, if `is_near`, the whole members that are near another probe."""
        for member, (g, position), bias in zip(self.members, self._by_member(), biases, strict=True):
            near = member.near if is_near else None
            self.bias[g][position] = bias if near is None else self._centred(near)
            if near is not None:
                own = slice(None) if member.neurons is None else member.neurons
                self.weights[g][position] = near.trained_weights[:, own]

    def on_fit_start(self) -> None:
        """Raises InputError where several processes would train."""
        super().on_fit_start()
        if self.trainer.world_size > 1:
            raise InputError(
                f"trainer.devices must be 1 for solver exact, got {self.trainer.world_size}; "
                "set it to 1 or choose probe=proximal."
            )
        self.paths.to(self.device)
        self._columns = None if self._columns is None else self._columns.to(self.device)
        self.trainer.check_val_every_n_epoch = VALIDATE_EVERY

    def on_train_epoch_start(self) -> None:
        """Lay out the points of the members in play."""
        self._in_play, is_whole = self.paths.in_play()
        self._choose_columns(is_whole)
        self._together = [[m for m in positions if m in self._in_play] for positions in self.positions]
        self._together = [positions for positions in self._together if positions]
        self._order_in_play = (
            torch.tensor([m for positions in self._together for m in positions]).argsort().to(self.device)
        )
        self._in_play = sorted(self._in_play)
        self._dtype = torch.float64 if self.paths.is_fine(self._in_play) else self.bias[0].dtype
        self._groups = [self._laid_out(positions) for positions in self._together]
        self._losses = torch.zeros(len(self._in_play), dtype=torch.float64, device=self.device)
        self._newton = [position for position, m in enumerate(self._in_play) if m in self.paths.newton()]
        self._curvatures = torch.zeros(len(self._newton), len(self._train))

    def training_step(self, batch: Batch, index: int) -> None:  # type: ignore[override]
        """Add a block's part to losses and gradients; after the last block every member in play takes its step."""
        with torch.autocast(self.device.type, enabled=False):
            found = outputs(self._read(batch, index), self._groups, self._order_in_play)
            labels, weights = self._targets(batch)
            labels, weights = labels[:, self._in_play], None if weights is None else weights[:, self._in_play]
            losses = self.loss(found, labels, weights) * (len(batch.labels) / len(self._train))
            losses.sum().backward()
            self._losses += losses.detach()
            if self._newton:
                curvatures = self.loss.curvatures(found.detach()[:, self._newton])
                curvatures = curvatures if weights is None else curvatures * weights[:, self._newton]
                self._curvatures[:, batch.positions.cpu()] = curvatures.T.to(self._curvatures)
            if self.trainer.is_last_batch:
                self._step()
        if self.trainer.is_last_batch:
            self.optimizers().step()  # type: ignore[union-attr]

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Nothing is left to do: the penalty is in the step."""

    def _step(self) -> None:
        losses = dict(zip(self._in_play, self._losses.tolist(), strict=True))
        with torch.no_grad():
            gradients = self._gradients()
            self._residual = max(self.paths.descents[m].residual(gradients[m]) for m in self._in_play)
            readers = {self._in_play[position]: self._reader(position) for position in self._newton}
            for m, point in self.paths.step(losses, gradients, self._columns is None, readers).items():
                g, position = self._position[m]
                self.weights[g][position], self.bias[g][position] = point[:, :-1], point[:, -1]
        if self.paths.is_over:
            self.trainer.should_stop, self.trainer.check_val_every_n_epoch = True, 1

    def on_train_epoch_end(self) -> None:
        """Log how many members are still in play, and how far the farthest was."""
        if self.trainer.loggers:
            self.log("train/unsolved", float(len(self.members) - len(self.paths.reached)))
            self.log("train/kkt_residual", self._residual)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """One that moves nothing: Lightning counts steps by it, and saves a checkpoint only after a step."""
        return torch.optim.SGD(self.parameters(), lr=0.0)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Where the members are."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["paths"], checkpoint["columns"] = self.paths.state_dict(), self._columns

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from there."""
        super().on_load_checkpoint(checkpoint)
        self.paths.load_state_dict(checkpoint["paths"])
        self._columns = checkpoint["columns"]

    def probes(self) -> list[Probe]:
        """The members as they are now, with how far each came."""
        reached = self.paths.reached
        return [replace(probe, optimality=reached.get(m)) for m, probe in enumerate(super().probes())]

    def _centred(self, probe: Probe) -> Float[Tensor, " label"]:
        """The bias of a probe as one of z-scores, where these are trained on."""
        return probe.bias if self._mean is None else probe.bias + probe.weights @ self._mean.to(probe.weights)

    def _by_member(self) -> list[tuple[int, int]]:
        return [self._position[m] for m in range(len(self.members))]

    def _choose_columns(self, is_whole: bool) -> None:
        """Those in use, where they are few; they become fewer until the next pass over all neurons."""
        if is_whole or self.positions != [list(range(len(self.members)))] or self.neurons_0 is not None:
            self._columns, self._held = None, {}
            return
        used = self.paths.columns().nonzero().flatten()
        if len(used) <= FEW * (self._n_neurons if self._columns is None else len(self._columns)):
            self._columns, self._held = used, {}

    def _read(self, batch: Batch, index: int) -> Float[Tensor, "unit column"]:
        if self._columns is None:
            return batch.activations.to(self._dtype)
        if index in self._held:
            return self._held[index].to(self._dtype)
        read = batch.activations
        read = read.T.index_select(0, self._columns).T if lie_by_neuron(read) else read.index_select(1, self._columns)
        if len(self._train) * len(self._columns) <= MOST_HELD:
            self._held[index] = read
        return read.to(self._dtype)

    def _reader(self, position: int) -> Reader:
        """What proximal Newton reads of a member in play."""
        member = self.members[self._in_play[position]]

        def columns(units: Int[Tensor, " unit"], own: Int[Tensor, " column"]) -> Float[Tensor, "column unit"]:
            chosen = own if member.neurons is None else member.neurons.to(own.device)[own]
            read = self._train.columns(units, chosen).to(self.device)
            if self._mean is None:
                return read
            return read.sub_(self._mean[chosen, None]).div_(self._deviation[chosen, None])

        weights = torch.ones(len(self._train)) if member.weights is None else member.weights
        return Reader(columns, weights, self._curvatures[self._newton.index(position)], self.loss.curvature)

    def _laid_out(self, positions: list[int]) -> Group:
        """Weights of raw activations: with z = (x − mean) / deviation, θ·z + b = θ/deviation·x + b − θ/deviation·mean.

        Inputs need not be standardised again in every pass.
        """
        points = torch.stack([self.paths.descents[m].point for m in positions])
        weights, bias, neurons = points[:, :, :-1], points[:, :, -1], self._neurons(positions)
        mean, deviation = self._scale(neurons)
        weights = weights / deviation
        bias = (bias - (weights * mean).sum(2)).to(self._dtype)
        if self._columns is not None:
            weights = weights[:, :, self._columns]
        weights = weights.to(self._dtype).contiguous()
        return Group(weights.requires_grad_(), bias.contiguous().requires_grad_(), neurons)

    def _gradients(self) -> dict[int, Point]:
        """Those of the points; 0 for neurons that were not read."""
        found: dict[int, Point] = {}
        for positions, (weights, bias, neurons) in zip(self._together, self._groups, strict=True):
            slope, level = weights.grad, bias.grad
            assert slope is not None
            assert level is not None
            slope, level = slope.double(), level.double()
            mean, deviation = self._scale(neurons)
            if self._columns is None:
                slope = (slope - level[:, :, None] * mean) / deviation
            else:
                mean, deviation = (
                    mean.expand(self._n_neurons)[self._columns],
                    deviation.expand(self._n_neurons)[self._columns],
                )
                read = (slope - level[:, :, None] * mean) / deviation
                slope = read.new_zeros(*read.shape[:2], self._n_neurons).index_copy_(2, self._columns, read)
            found |= dict(zip(positions, torch.cat([slope, level[:, :, None]], dim=2), strict=True))
        return found

    def _neurons(self, positions: list[int]) -> Int[Tensor, "probe k"] | None:
        g = self._position[positions[0]][0]
        neurons: Tensor | None = getattr(self, f"neurons_{g}")
        return None if neurons is None else neurons[[self._position[m][1] for m in positions]]

    def _scale(self, neurons: Int[Tensor, "probe k"] | None) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the neurons; 0 and 1 where activations are not standardised."""
        if self._mean is None:
            return torch.zeros(1, device=self.device), torch.ones(1, device=self.device)
        if neurons is None:
            return self._mean, self._deviation
        return self._mean[neurons][:, None], self._deviation[neurons][:, None]


def _draw(weights: Float[Tensor, "label neuron"], seed: int) -> None:
    """Some of each label's weights in places of its own, uniform within ±1/√(as many)."""
    generator, n = torch.Generator().manual_seed(seed), min(math.ceil(DRAWN * weights.shape[1]), MOST_DRAWN)
    places = torch.rand(weights.shape, generator=generator).topk(n, dim=1).indices
    drawn = (torch.rand(places.shape, generator=generator) * 2 - 1) / math.sqrt(max(1, n))
    weights.scatter_(1, places, drawn)
