"""How probes score: what each predicts on a split, in one pass over the activations for all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.probes.group import Group, group, stack_neurons
from neuronprobe.probes.probe import Probe
from neuronprobe.progress import counted
from neuronprobe.targets import Scored
from neuronprobe.types import UNKNOWN

BLOCK = 4096
"""Units that are scored at a time, at most."""
GATHERED = 1 << 22
"""Activations that are gathered, and outputs that are made, at a time, at most (16 MiB)."""


def score(probes: Sequence[Probe], split: Split, predictions: bool = False) -> Scored:
    """Score trained probes on a split, in float32, one pass over the activations for all."""
    return scores(probes, [torch.stack([probe.bias for probe in probes])], split, predictions)[0]


@torch.no_grad()
def scores(
    probes: Sequence[Probe], biases: Sequence[Float[Tensor, "probe label"]], split: Split, predictions: bool = False
) -> list[Scored]:
    """The same probes with each of several biases: the products are made once. `predictions` are kept if asked for."""
    device, target = split.device, split.target
    together = group([probe.neurons for probe in probes])
    groups = [_stacked([probes[p] for p in own], device) for own in together]
    given = [[bias[own].float().to(device)[:, :, None] for own in together] for bias in biases]
    n_sentences = split.units.n_sentences
    metrics = [target.bank_score(len(probes), n_sentences, predictions).to(device) for _ in biases]
    for batch in split.blocks(BLOCK, f"scoring {counted(len(probes), 'probe')}"):
        columns = batch.activations.T.contiguous()
        predicted = [torch.empty(len(probes), len(batch.labels), dtype=target.predicts, device=device) for _ in biases]
        for g, (own, chosen) in enumerate(zip(together, groups, strict=True)):
            for some in torch.arange(len(own)).split(_at_a_time(chosen, len(batch.labels))):
                found = _products(columns, chosen, some)
                for one, bias in zip(predicted, given, strict=True):
                    one[[own[i] for i in some]] = target.predicted(found, bias[g][some])
        for metric, one in zip(metrics, predicted, strict=True):
            metric.add(one.T, batch.labels, batch.sentences)
    return [metric.scored(split.units) for metric in metrics]


@torch.no_grad()
def log_likelihoods(probes: Sequence[Probe], split: Split) -> Float[Tensor, "probe sentence"]:
    """Σ log p(label) over the units of each sentence, in nats, without units whose label train lacks.

    Raises InputError where there are values instead of labels.
    """
    split.target.labels_for("a likelihood of labels")
    device, together = split.device, group([probe.neurons for probe in probes])
    groups = [_stacked([probes[p] for p in own], device) for own in together]
    biases = [torch.stack([probes[p].bias for p in own]).float().to(device)[:, :, None] for own in together]
    found = torch.zeros(len(probes), split.units.n_sentences, dtype=torch.float64, device=device)
    for batch in split.blocks(BLOCK, f"likelihoods of {counted(len(probes), 'probe')}"):
        known = batch.labels > UNKNOWN
        columns, labels = batch.activations[known].T.contiguous(), batch.labels[known]
        for own, chosen, bias in zip(together, groups, biases, strict=True):
            for some in torch.arange(len(own)).split(_at_a_time(chosen, max(1, len(labels)))):
                outputs = _products(columns, chosen, some) + bias[some]
                gold = outputs.gather(1, labels.expand(len(some), 1, -1))[:, 0] - outputs.logsumexp(1)
                part = torch.zeros(len(some), found.shape[1], dtype=torch.float64, device=device)
                found[[own[i] for i in some]] += part.index_add_(1, batch.sentences[known], gold.double())
    return found.cpu()


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


def _stacked(probes: Sequence[Probe], device: torch.device) -> Group:
    """Their weights, without biases."""
    neurons = stack_neurons([probe.neurons for probe in probes])
    weights = torch.stack([probe.weights for probe in probes]).float().to(device)
    bias = torch.zeros(weights.shape[:2], device=device)
    return Group(weights, bias, None if neurons is None else neurons.to(device))
