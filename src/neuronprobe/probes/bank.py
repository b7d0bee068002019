"""The elastic-net probe bank (EMNLP 2020 section 3; JMLR 2023 algorithm 1): many probes, one matrix product per batch.

Each member minimises the mean of its target's loss + λ1‖θ‖₁ + λ2‖θ‖²₂ with a free bias. Members share nothing but the
batches, so a member of a bank is the same probe as when it is trained alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from neuronprobe.activations.split import Standardisation
from neuronprobe.errors import InputError
from neuronprobe.neurons import Neurons
from neuronprobe.probes.group import Group, group, outputs, stack_neurons
from neuronprobe.probes.penalty import elastic_net
from neuronprobe.probes.probe import Probe
from neuronprobe.probes.solvers.adam import Adam
from neuronprobe.targets import Target
from neuronprobe.types import Batch, Units


@dataclass(frozen=True)
class Member:
    """One probe of a bank: its penalty, the seed of its initialisation, its neurons (None = all).

    `labels` are its own, instead of the property's (a control task); `weights` of the units have mean 1 over
    train (a resample, class weights). `near` is a probe of all neurons not far from the member's optimum: solver
    `exact` begins there.
    """

    l1: float = 0.0
    l2: float = 0.0
    seed: int = 0
    neurons: Neurons | None = None
    labels: Real[Tensor, " unit"] | None = None
    weights: Float[Tensor, " unit"] | None = None
    near: Probe | None = None


class ProbeBank(pl.LightningModule):
    """Members that read equally many neurons form a group: one weight tensor `[probe, label, neuron]`, one product."""

    def __init__(
        self,
        members: Sequence[Member],
        n_neurons: int,
        target: Target,
        solver: Adam | None = None,
        dev: Units | None = None,
        standardisation: Standardisation | None = None,
        metric: str = "auto",
    ) -> None:
        """Validation scores the units of `dev` by `metric`; with `standardisation` weights read z-scores."""
        super().__init__()
        self.members, self.solver = list(members), solver or Adam()
        self.target, self.loss, n_labels = target, target.loss, len(target)
        self.positions = group([member.neurons for member in self.members])
        self.weights, self.bias = nn.ParameterList(), nn.ParameterList()
        for g, positions in enumerate(self.positions):
            chosen = [self.members[m] for m in positions]
            self.weights.append(torch.stack([_initial(member, n_neurons, n_labels) for member in chosen]))
            self.bias.append(torch.zeros(len(chosen), n_labels))
            self._constant(f"neurons_{g}", stack_neurons([m.neurons for m in chosen]))
            self._constant(f"l1_{g}", torch.tensor([m.l1 for m in chosen]))
            self._constant(f"l2_{g}", torch.tensor([m.l2 for m in chosen]))
        self._constant("_order", torch.tensor([m for positions in self.positions for m in positions]).argsort())
        self._constant("_mean", standardisation.mean if standardisation else None)
        self._constant("_deviation", standardisation.deviation if standardisation else None)
        self._own_labels = [m for m, member in enumerate(self.members) if member.labels is not None]
        self._own_weights = [m for m, member in enumerate(self.members) if member.weights is not None]
        self._constant("_labels", _side_by_side([member.labels for member in self.members]))
        self._constant("_unit_weights", _side_by_side([member.weights for member in self.members]))
        self._epoch_loss, self._epoch_batches = torch.zeros(len(self.members)), 0
        self.metric, self._dev, self._was_stopped = target.metric(metric), dev, False
        self.dev_score = target.bank_score(len(self.members), dev.n_sentences if dev is not None else 0)

    @property
    def progress(self) -> tuple[float, float]:
        """How much of the training is done, and of how much: batches of all epochs."""
        epochs, batches = self.trainer.max_epochs or 0, int(self.trainer.num_training_batches)
        return float(self.trainer.fit_loop.total_batch_idx + 1), float(epochs * batches)

    def forward(self, activations: Float[Tensor, "unit neuron"]) -> Float[Tensor, "unit probe label"]:
        """Outputs of all members, in their order."""
        if self._mean is not None:
            activations = (activations - self._mean) / self._deviation
        groups = [
            Group(weights, bias, getattr(self, f"neurons_{g}"))
            for g, (weights, bias) in enumerate(zip(self.weights, self.bias, strict=True))
        ]
        return outputs(activations, groups, self._order)

    def losses(self, batch: Batch) -> Float[Tensor, " probe"]:
        """Mean loss of each member on a batch, without penalties."""
        return self.loss(self(batch.activations), *self._targets(batch))

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The sum of the members' objectives: their gradients don't meet."""
        losses = self.losses(batch) * batch.share
        self._epoch_loss = self._epoch_loss + losses.detach()
        self._epoch_batches += 1
        return losses.sum() + self._penalty()

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """What the solver has left to do after the optimizer's step."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        for g, weights in enumerate(self.weights):
            self.solver.finish(optimizer, weights, getattr(self, f"l1_{g}"))  # type: ignore[arg-type]

    def on_fit_start(self) -> None:
        """Train no further where training had been stopped before an interruption."""
        self.trainer.should_stop = self._was_stopped

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Whether a callback stopped training, which Lightning does not keep."""
        checkpoint["was_stopped"] = bool(self.trainer.should_stop)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Inverse of that."""
        self._was_stopped = checkpoint["was_stopped"]

    def on_train_epoch_start(self) -> None:
        """Start the epoch's mean."""
        self._epoch_loss = torch.zeros(len(self.members), device=self.device)
        self._epoch_batches = 0

    def on_train_epoch_end(self) -> None:
        """Log each member's mean loss over the epoch."""
        self._log_members("train/loss", self._epoch_loss / max(1, self._epoch_batches))

    def validation_step(self, batch: Batch, index: int) -> None:
        """Count what each member gets right."""
        self.dev_score.update(self(batch.activations), batch.labels, batch.sentences)

    def on_validation_epoch_end(self) -> None:
        """Log what each member reaches on dev; the best of them is `dev/score`, which callbacks can monitor."""
        reached = self.dev_score.scored(self._dev).values(self.metric)
        self._log_members(f"dev/{self.metric}", reached)
        if self._trainer is not None:
            self.log("dev/score", reached.max(), sync_dist=True)
        self.dev_score.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The solver's."""
        return self.solver.moves(self.parameters())

    def probes(self) -> list[Probe]:
        """The members as they are now, on the CPU, in their order; weights and bias read raw activations."""
        found: dict[int, Probe] = {}
        for positions, weights, bias in zip(self.positions, self.weights, self.bias, strict=True):
            for position, m in enumerate(positions):
                found[m] = self._probe(self.members[m], weights[position].detach().cpu(), bias[position].detach().cpu())
        return [found[m] for m in range(len(self.members))]

    def _probe(self, member: Member, weights: Tensor, bias: Tensor) -> Probe:
        if not (weights.isfinite().all() and bias.isfinite().all()):
            raise InputError(
                f"probe.l1, probe.l2 and probe.lr must keep weights finite, got NaN or infinity at "
                f"l1={member.l1:g}, l2={member.l2:g}, lr={self.solver.lr:g}; lower them."
            )
        about: dict[str, Any] = {"neurons": member.neurons, "l1": member.l1, "l2": member.l2, "seed": member.seed}
        if self._mean is None:
            return Probe(weights.clone(), bias.clone(), **about)
        own = slice(None) if member.neurons is None else member.neurons
        mean, deviation = self._mean.cpu()[own], self._deviation.cpu()[own]
        return Probe(weights / deviation, bias - (weights / deviation) @ mean, **about, deviation=deviation)

    def _targets(self, batch: Batch) -> tuple[Real[Tensor, "unit probe"], Float[Tensor, "unit probe"] | None]:
        labels = batch.labels[:, None].expand(-1, len(self.members))
        if self._own_labels:
            labels = labels.clone()
            labels[:, self._own_labels] = self._labels[batch.positions]
        if not self._own_weights:
            return labels, None
        weights = batch.activations.new_ones(labels.shape)
        weights[:, self._own_weights] = self._unit_weights[batch.positions].to(weights.dtype)
        return labels, weights

    def _penalty(self) -> Tensor:
        parts = []
        for g, weights in enumerate(self.weights):
            l1, l2 = getattr(self, f"l1_{g}"), getattr(self, f"l2_{g}")
            parts.append(elastic_net(weights, self.solver.in_loss(l1), l2, self.solver.squared))
        return torch.stack(parts).sum()

    def _log_members(self, name: str, values: Tensor) -> None:
        if self._trainer is None or not self.trainer.loggers:
            return
        for member, value in zip(self.members, values.tolist(), strict=True):
            self.log(f"{name}/l1={member.l1:g},l2={member.l2:g}", value, sync_dist=True)

    def _constant(self, name: str, value: Tensor | None) -> None:
        """What follows the bank to its device and is not saved with it."""
        self.register_buffer(name, value, persistent=False)

    _order: Tensor
    _mean: Tensor | None
    _deviation: Tensor
    _labels: Tensor
    _unit_weights: Tensor


def _initial(member: Member, n_neurons: int, n_labels: int) -> Float[Tensor, "label neuron"]:
    """Uniform within ±1/√width, from the member's own seed (torch.nn.Linear's distribution)."""
    width = n_neurons if member.neurons is None else len(member.neurons)
    generator = torch.Generator().manual_seed(member.seed)
    bound = 1 / math.sqrt(max(1, width))
    return (torch.rand(n_labels, width, generator=generator) * 2 - 1) * bound


def _side_by_side(columns: Sequence[Tensor | None]) -> Tensor | None:
    found = [column for column in columns if column is not None]
    return torch.stack(found, dim=1) if found else None
