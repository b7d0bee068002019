"""What probes get right: counts per label for metrics, and per sentence for intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torchmetrics
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.probes.group import Group, group, outputs, stack_neurons
from neuronprobe.probes.probe import Probe
from neuronprobe.types import UNKNOWN

BLOCK = 4096
"""Units that are scored at a time, at most."""
GATHERED = 1 << 24
"""Activations that are gathered at a time, at most (64 MiB)."""


@dataclass(frozen=True)
class Score:
    """Counts of some probes on one split."""

    correct: Int[Tensor, "probe sentence"]
    units: Int[Tensor, " sentence"]
    true_positives: Int[Tensor, "probe label"]
    false_positives: Int[Tensor, "probe label"]
    false_negatives: Int[Tensor, "probe label"]

    @property
    def accuracy(self) -> Float[Tensor, " probe"]:
        """Micro accuracy, a fraction; a label that train lacks counts as wrong."""
        return self.correct.sum(1).double() / self.units.sum()


class BankScore(torchmetrics.Metric):
    """Counts for all members at once. A full confusion table would not fit for many labels and members."""

    full_state_update = False
    correct: Tensor
    units: Tensor
    true_positives: Tensor
    false_positives: Tensor
    false_negatives: Tensor

    def __init__(self, n_probes: int, n_labels: int, n_sentences: int) -> None:
        super().__init__()
        self._shape = (n_probes, n_labels)
        for name, shape in {
            "correct": (n_probes, n_sentences),
            "units": (n_sentences,),
            "true_positives": self._shape,
            "false_positives": self._shape,
            "false_negatives": self._shape,
        }.items():
            self.add_state(name, torch.zeros(shape, dtype=torch.long), dist_reduce_fx="sum")

    def update(
        self,
        outputs: Float[Tensor, "unit probe label"],
        labels: Int[Tensor, " unit"],
        sentences: Int[Tensor, " unit"],
    ) -> None:
        """Add one batch."""
        n_probes, n_labels = self._shape
        predicted = outputs.argmax(-1)
        right = predicted == labels[:, None]
        self.correct.index_add_(1, sentences, right.T.long())
        self.units.index_add_(0, sentences, torch.ones_like(sentences))
        offsets = torch.arange(n_probes, device=labels.device) * n_labels

        def counts(cells: Tensor) -> Tensor:
            return torch.bincount(cells, minlength=n_probes * n_labels).view(n_probes, n_labels)

        by_prediction = predicted + offsets
        by_label = labels[:, None] + offsets
        known = labels[:, None] != UNKNOWN
        self.true_positives += counts(by_prediction[right])
        self.false_positives += counts(by_prediction[~right])
        self.false_negatives += counts(by_label[~right & known])

    def compute(self) -> Float[Tensor, " probe"]:
        """Accuracy of each member so far."""
        return self.correct.sum(1) / self.units.sum()

    def counts(self) -> Score:
        """All counts so far, on the CPU."""
        states: Any = (self.correct, self.units, self.true_positives, self.false_positives, self.false_negatives)
        return Score(*(state.cpu().clone() for state in states))


@torch.no_grad()
def score(probes: Sequence[Probe], split: Split) -> Score:
    """Score trained probes on a split, in float32, one pass over the activations for all."""
    device = split.device
    places = group([probe.neurons for probe in probes])
    groups = [_stacked([probes[p] for p in together], device) for together in places]
    order = torch.tensor([p for together in places for p in together]).argsort().to(device)
    metric = BankScore(len(probes), split.n_labels, split.units.n_sentences).to(device)
    columns = max(len(split.neurons), *(0 if g.neurons is None else g.neurons.numel() for g in groups))
    for batch in split.blocks(max(1, min(BLOCK, GATHERED // columns))):
        metric.update(outputs(batch.activations, groups, order), batch.labels, batch.sentences)
    return metric.counts()


def _stacked(probes: Sequence[Probe], device: torch.device) -> Group:
    neurons = stack_neurons([probe.neurons for probe in probes])
    return Group(
        torch.stack([probe.weights for probe in probes]).float().to(device),
        torch.stack([probe.bias for probe in probes]).float().to(device),
        None if neurons is None else neurons.to(device),
    )
