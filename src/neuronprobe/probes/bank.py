"""The elastic-net probe bank (EMNLP 2020 section 3; JMLR 2023 algorithm 1): many probes, one matrix product per batch.

Each member minimises mean cross-entropy + λ1‖θ‖₁ + λ2‖θ‖²₂ with a free bias. Members share nothing but the
batches, so a member of a bank is the same probe as when it is trained alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn

from neuronprobe.errors import InputError
from neuronprobe.neurons import Neurons
from neuronprobe.probes.group import Group, group, outputs, stack_neurons
from neuronprobe.probes.losses import CrossEntropy
from neuronprobe.probes.penalty import elastic_net
from neuronprobe.probes.probe import Probe
from neuronprobe.probes.score import BankScore
from neuronprobe.types import Batch


@dataclass(frozen=True)
class Member:
    """One probe of a bank: its penalty, the seed of its initialisation, its neurons (None = all)."""

    l1: float = 0.0
    l2: float = 0.0
    seed: int = 0
    neurons: Neurons | None = None


class ProbeBank(pl.LightningModule):
    """Members that read equally many neurons form a group: one weight tensor `[probe, label, neuron]`, one product."""

    def __init__(
        self, members: Sequence[Member], n_neurons: int, n_labels: int, lr: float = 1e-3, n_sentences: int = 0
    ) -> None:
        """`lr` is Adam's; `n_sentences` is that of the split that validation scores."""
        super().__init__()
        self.members, self._lr = list(members), lr
        self.loss = CrossEntropy()
        self._places = group([member.neurons for member in self.members])
        self.weights, self.bias = nn.ParameterList(), nn.ParameterList()
        for g, places in enumerate(self._places):
            chosen = [self.members[m] for m in places]
            self.weights.append(torch.stack([_initial(member, n_neurons, n_labels) for member in chosen]))
            self.bias.append(torch.zeros(len(chosen), n_labels))
            self.register_buffer(f"neurons_{g}", stack_neurons([m.neurons for m in chosen]), persistent=False)
            self.register_buffer(f"l1_{g}", torch.tensor([m.l1 for m in chosen]), persistent=False)
            self.register_buffer(f"l2_{g}", torch.tensor([m.l2 for m in chosen]), persistent=False)
        order = torch.tensor([m for places in self._places for m in places]).argsort()
        self.register_buffer("_order", order, persistent=False)
        self._order: Tensor
        self._epoch_loss, self._epoch_batches = torch.zeros(len(self.members)), 0
        self.dev_score = BankScore(len(self.members), n_labels, n_sentences)

    def forward(self, activations: Float[Tensor, "unit neuron"]) -> Float[Tensor, "unit probe label"]:
        """Outputs of all members, in their order."""
        groups = [
            Group(weights, bias, getattr(self, f"neurons_{g}"))
            for g, (weights, bias) in enumerate(zip(self.weights, self.bias, strict=True))
        ]
        return outputs(activations, groups, self._order)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The sum of the members' objectives: their gradients don't meet."""
        losses = self.loss(self(batch.activations), batch.labels) * batch.share
        self._epoch_loss = self._epoch_loss + losses.detach()
        self._epoch_batches += 1
        return losses.sum() + self._penalty()

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
        """Log each member's accuracy on dev."""
        self._log_members("dev/accuracy", torch.atleast_1d(self.dev_score.compute()))
        self.dev_score.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, as in the papers; the penalty's gradient goes through it."""
        return torch.optim.Adam(self.parameters(), lr=self._lr, fused=True)

    def probes(self) -> list[Probe]:
        """The members as they are now, on the CPU, in their order."""
        found: dict[int, Probe] = {}
        for places, weights, bias in zip(self._places, self.weights, self.bias, strict=True):
            for place, m in enumerate(places):
                member = self.members[m]
                tensors = (weights[place].detach().cpu().clone(), bias[place].detach().cpu().clone())
                found[m] = Probe(*tensors, member.neurons, member.l1, member.l2, member.seed)
        for probe in found.values():
            if not (probe.weights.isfinite().all() and probe.bias.isfinite().all()):
                raise InputError(
                    f"probe.l1, probe.l2 and probe.lr must keep weights finite, got NaN or infinity at "
                    f"l1={probe.l1:g}, l2={probe.l2:g}, lr={self._lr:g}; lower them."
                )
        return [found[m] for m in range(len(self.members))]

    def _penalty(self) -> Tensor:
        return torch.stack(
            [
                elastic_net(weights, getattr(self, f"l1_{g}"), getattr(self, f"l2_{g}"))
                for g, weights in enumerate(self.weights)
            ]
        ).sum()

    def _log_members(self, name: str, values: Tensor) -> None:
        if self._trainer is None or not self.trainer.loggers:
            return
        for member, value in zip(self.members, values.tolist(), strict=True):
            self.log(f"{name}/l1={member.l1:g},l2={member.l2:g}", value, sync_dist=True)


def _initial(member: Member, n_neurons: int, n_labels: int) -> Float[Tensor, "label neuron"]:
    """Uniform within ±1/√width, from the member's own seed (torch.nn.Linear's distribution)."""
    width = n_neurons if member.neurons is None else len(member.neurons)
    generator = torch.Generator().manual_seed(member.seed)
    bound = 1 / math.sqrt(max(1, width))
    return (torch.rand(n_labels, width, generator=generator) * 2 - 1) * bound
