"""What probes get right: counts per label for metrics, and per sentence for intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torchmetrics
from jaxtyping import Float, Int, Real
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.errors import choice
from neuronprobe.probes.group import Group, group, stack_neurons
from neuronprobe.probes.probe import Probe
from neuronprobe.progress import counted
from neuronprobe.types import UNKNOWN

BLOCK = 4096
"""Units that are scored at a time, at most."""
GATHERED = 1 << 22
"""Activations that are gathered, and outputs that are made, at a time, at most (16 MiB)."""
METRICS = ("accuracy", "macro_f1")
"""What probes can be compared by."""


@dataclass(frozen=True)
class Score:
    """What is compared: per probe and sentence a numerator, per sentence a denominator; the value is their ratio.

    Accuracy has correct and counted units. Macro-F1 is taken to first order in the sentences (infinitesimal jackknife,
    Efron 1982, section 6.1): numerators are n times each sentence's part in the value, about the value; denominators 1.
    """

    metric: str
    numerator: Real[Tensor, "probe sentence"]
    denominator: Real[Tensor, " sentence"]

    @property
    def value(self) -> Float[Tensor, " probe"]:
        """Fractions, in float64."""
        return self.numerator.sum(1, dtype=torch.float64) / self.denominator.sum(dtype=torch.float64)


@dataclass(frozen=True)
class Counts:
    """Counts of some probes on one split; `n_unknown` labels of the split are such that train lacks.

    `predicted` are label indices, kept where macro-F1 needs intervals.
    """

    correct: Int[Tensor, "probe sentence"]
    units: Int[Tensor, " sentence"]
    true_positives: Int[Tensor, "probe label"]
    false_positives: Int[Tensor, "probe label"]
    false_negatives: Int[Tensor, "probe label"]
    n_unknown: int = 0
    predicted: Int[Tensor, "probe unit"] | None = None
    labels: Int[Tensor, " unit"] | None = None
    sentences: Int[Tensor, " unit"] | None = None

    @property
    def accuracy(self) -> Float[Tensor, " probe"]:
        """Micro accuracy, a fraction; a label that train lacks counts as wrong."""
        return self.correct.sum(1).double() / self.units.sum()

    @property
    def f1(self) -> Float[Tensor, "probe label"]:
        """F1 of each label of train; 0 where a label is neither there nor predicted."""
        return 2 * self.true_positives.double() / self._f1_denominator

    @property
    def occurs(self) -> Tensor:
        """Which labels of train occur in the split."""
        return (self.true_positives + self.false_negatives)[0] > 0

    @property
    def macro_f1(self) -> Float[Tensor, " probe"]:
        """Mean F1 over the labels that occur in the split; those that train lacks have 0."""
        return self.f1[:, self.occurs].sum(1) / self._n_labels

    def values(self, metric: str) -> Float[Tensor, " probe"]:
        """One of METRICS, of each probe."""
        return self.accuracy if metric == "accuracy" else self.macro_f1

    def score(self, metric: str) -> Score:
        """The same with its parts per sentence. Macro-F1 needs `predicted`."""
        choice("metric", metric, METRICS)
        if metric == "accuracy":
            return Score(metric, self.correct, self.units)
        if self.predicted is None or self.labels is None or self.sentences is None:
            raise ValueError("macro-F1 must be scored with what was predicted, got counts alone")
        n = len(self.units)
        parts = torch.stack([self._f1_parts(p, own) for p, own in enumerate(self.predicted)])
        return Score(metric, self.macro_f1[:, None] + n * parts, torch.ones(n))

    @property
    def _f1_denominator(self) -> Tensor:
        return (2 * self.true_positives + self.false_positives + self.false_negatives).double().clamp_min(1)

    @property
    def _n_labels(self) -> int:
        return max(1, int(self.occurs.sum()) + self.n_unknown)

    def _f1_parts(self, probe: int, predicted: Int[Tensor, " unit"]) -> Float[Tensor, " sentence"]:
        """Derivative of macro-F1 by each sentence's share in the counts: F1 = 2 tp / (n predicted + n there)."""
        assert self.labels is not None
        assert self.sentences is not None
        occurs = self.occurs.double() / self._n_labels
        denominator = self._f1_denominator[probe]
        hit, met = 2 * occurs / denominator, occurs * self.f1[probe] / denominator
        known = self.labels > UNKNOWN
        there = torch.where(known, self.labels, 0)
        part = torch.where(predicted == self.labels, hit[there], 0.0) - met[predicted.long()]
        part = part - torch.where(known, met[there], 0.0)
        return torch.zeros(len(self.units), dtype=torch.float64).index_add_(0, self.sentences, part)


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
            dtype = torch.int32 if name == "correct" else torch.long
            self.add_state(name, torch.zeros(shape, dtype=dtype), dist_reduce_fx="sum")

    def update(
        self,
        outputs: Float[Tensor, "unit probe label"],
        labels: Int[Tensor, " unit"],
        sentences: Int[Tensor, " unit"],
    ) -> None:
        """Add one batch."""
        self.add(outputs.argmax(-1), labels, sentences)

    def add(
        self,
        predicted: Int[Tensor, "unit probe"],
        labels: Int[Tensor, " unit"],
        sentences: Int[Tensor, " unit"],
    ) -> None:
        """Add what was predicted for one batch."""
        n_probes, n_labels = self._shape
        right = predicted == labels[:, None]
        by_sentence = torch.zeros(len(self.units), n_probes, dtype=self.correct.dtype, device=labels.device)
        self.correct += by_sentence.index_add_(0, sentences, right.to(self.correct.dtype)).T
        self.units.index_add_(0, sentences, torch.ones_like(sentences))
        offsets = torch.arange(n_probes, device=labels.device) * (n_labels + 1)

        def counts(cells: Tensor) -> Tensor:
            """Of each label for each member; what is not counted has the label n_labels."""
            found = torch.bincount((cells + offsets).flatten(), minlength=n_probes * (n_labels + 1))
            return found.view(n_probes, n_labels + 1)[:, :n_labels]

        hits = counts(torch.where(right, predicted, n_labels))
        there = torch.bincount(labels[labels > UNKNOWN], minlength=n_labels)
        self.true_positives += hits
        self.false_positives += counts(predicted) - hits
        self.false_negatives += there - hits

    def compute(self) -> Float[Tensor, " probe"]:
        """Accuracy of each member so far."""
        return self.correct.sum(1) / self.units.sum()

    def counts(self, **more: Any) -> Counts:
        """All counts so far, on the CPU."""
        states: Any = (self.correct, self.units, self.true_positives, self.false_positives, self.false_negatives)
        return Counts(*(state.cpu().clone() for state in states), **more)


def score(probes: Sequence[Probe], split: Split, predictions: bool = False) -> Counts:
    """Score trained probes on a split, in float32, one pass over the activations for all."""
    return scores(probes, [torch.stack([probe.bias for probe in probes])], split, predictions)[0]


@torch.no_grad()
def scores(
    probes: Sequence[Probe], biases: Sequence[Float[Tensor, "probe label"]], split: Split, predictions: bool = False
) -> list[Counts]:
    """The same probes with each of several biases: the products are made once. `predictions` are kept if asked for."""
    device, n_labels = split.device, split.n_labels
    together = group([probe.neurons for probe in probes])
    groups = [_stacked([probes[p] for p in own], device) for own in together]
    given = [[bias[own].float().to(device)[:, :, None] for own in together] for bias in biases]
    metrics = [BankScore(len(probes), n_labels, split.units.n_sentences).to(device) for _ in biases]
    kept: list[list[Tensor]] = [[] for _ in biases]
    small = torch.int16 if n_labels < 1 << 15 else torch.int32
    for batch in split.blocks(BLOCK, f"scoring {counted(len(probes), 'probe')}"):
        columns = batch.activations.T.contiguous()
        predicted = [torch.empty(len(probes), len(batch.labels), dtype=torch.long, device=device) for _ in biases]
        for g, (own, chosen) in enumerate(zip(together, groups, strict=True)):
            for some in torch.arange(len(own)).split(_at_a_time(chosen, len(batch.labels))):
                found = _products(columns, chosen, some)
                for one, bias in zip(predicted, given, strict=True):
                    one[[own[i] for i in some]] = _largest(found, bias[g][some])
        for metric, one, all_of_it in zip(metrics, predicted, kept, strict=True):
            metric.add(one.T, batch.labels, batch.sentences)
            all_of_it += [one.to("cpu", small)] if predictions else []
    units, n_unknown = split.units, split.units.n_unknown
    return [
        metric.counts(n_unknown=n_unknown, predicted=torch.cat(own, 1), labels=units.labels, sentences=units.sentences)
        if predictions else metric.counts(n_unknown=n_unknown)
        for metric, own in zip(metrics, kept, strict=True)
    ]  # fmt: skip


def _at_a_time(chosen: Group, n_units: int) -> int:
    """Probes of a group whose gathered activations and outputs stay in the processor's caches, or nearly."""
    _, n_labels, k = chosen.weights.shape
    return max(1, GATHERED // (n_units * (n_labels + (0 if chosen.neurons is None else k))))


def _products(
    columns: Float[Tensor, "neuron unit"], chosen: Group, some: Int[Tensor, " probe"]
) -> Float[Tensor, "probe label unit"]:
    """Outputs of some probes of a group without biases; only the columns that they need are gathered."""
    weights = chosen.weights[some]
    if chosen.neurons is None:
        return torch.mm(weights.flatten(0, 1), columns).view(*weights.shape[:2], -1)
    neurons = chosen.neurons[some]
    return torch.bmm(weights, columns.index_select(0, neurons.flatten()).unflatten(0, neurons.shape))


def _largest(products: Float[Tensor, "probe label unit"], bias: Float[Tensor, "probe label 1"]) -> Tensor:
    """The label of the largest output, the first of equals: argmax over labels, which is slow in this layout."""
    best = products[:, 0] + bias[:, 0]
    label = torch.zeros(best.shape, dtype=torch.long, device=best.device)
    for i in range(1, products.shape[1]):
        other = products[:, i] + bias[:, i]
        label.masked_fill_(other > best, i)
        best = torch.maximum(best, other)
    return label


def _stacked(probes: Sequence[Probe], device: torch.device) -> Group:
    """Their weights, without biases."""
    neurons = stack_neurons([probe.neurons for probe in probes])
    weights = torch.stack([probe.weights for probe in probes]).float().to(device)
    bias = torch.zeros(weights.shape[:2], device=device)
    return Group(weights, bias, None if neurons is None else neurons.to(device))
