"""Latent-subset probe (Stańczak et al. 2023, Poisson scheme): one linear probe, trained under random masks of neurons.

The mask of each neuron is a Bernoulli draw whose odds are learned with the probe: the evidence lower bound of the
label's likelihood over subsets. The probe then works for any subset, and neurons are selected greedily on dev.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from neuronprobe.errors import number, whole_number
from neuronprobe.rankings.candidates import candidates, n_candidates
from neuronprobe.rankings.columns import columns_of
from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.greedy import judges, n_selected, normalised_information, select
from neuronprobe.rankings.ordering import in_this_order
from neuronprobe.types import Ranking


@reads_no_probe
def latent_subset(
    evidence: Evidence, k: int | None = None, epochs: int = 20, lr: float = 1e-2, entropy: float = 1e-2,
    l1: float = 1e-5, l2: float = 1e-5, ridge_l2: float = 1e-3, most: int | None = None,
) -> Ranking:  # fmt: skip
    """The neuron joins with which the masked probe makes the labels of dev likeliest; `score` is the normalised mutual
    information (bits over the label's entropy on dev) of the set when the neuron joined.

    k neurons join (50), the other candidates stand behind by what each would add. Orders the `most` candidates (500,
    pre-chosen by mean |w| of a ridge probe with λ2 = `ridge_l2`) and earns these. `entropy` weighs the masks' entropy;
    `l1`, `l2`, `lr` are the authors', who train full batches for up to 5,000 epochs with early stopping.
    Activations are z-scores. Not invariant to scale, unless `fit` standardises: the pre-choice is not.
    """
    whole_number("ranking.latent_subset.epochs", epochs, 1)
    for name, value in (("lr", lr), ("entropy", entropy), ("l1", l1), ("l2", l2)):
        number(f"ranking.latent_subset.{name}", value, 0)
    evidence.labels_to_tell_apart("latent_subset")
    k = n_selected("latent_subset", k, n_candidates(evidence, "latent_subset", most))
    found = candidates(evidence, "latent_subset", most, ridge_l2)
    there = evidence.supported.nonzero().flatten()
    train = columns_of(evidence.train, found.neurons).T
    weights = evidence.unit_weights
    mean = weights @ train / weights.sum()
    deviation = (weights @ (train - mean).square() / weights.sum()).sqrt()
    deviation = torch.where(deviation > 0, deviation, 1.0)
    position = torch.zeros(evidence.train.n_labels, dtype=torch.long)
    position[there] = torch.arange(len(there))
    objective = Objective(len(there), epochs, lr, entropy, l1, l2)
    probe = masked_probe(
        (train - mean) / deviation, position[evidence.train.units.labels], weights, objective, evidence.seed
    )
    dev, dev_labels = judges(evidence.dev, found.neurons, there)
    growing = MaskedProbe(probe, (dev - mean[:, None]) / deviation[:, None], dev_labels)
    chosen = select(growing, len(found.neurons), k)
    score = normalised_information(chosen.likelihood, dev_labels)
    return in_this_order("latent_subset", found.neurons[chosen.order], score, found.weights, evidence.seed)


@dataclass(frozen=True)
class Objective:
    """What a masked probe is trained for, and how long."""

    n_labels: int
    epochs: int
    lr: float
    entropy: float
    l1: float
    l2: float
    batch_size: int = 512


@dataclass(frozen=True)
class Linear:
    """Weights and bias, and the probability of each neuron's mask."""

    weights: Float[Tensor, "label candidate"]
    bias: Float[Tensor, " label"]
    kept: Float[Tensor, " candidate"]


def masked_probe(
    activations: Float[Tensor, "unit candidate"], labels: Int[Tensor, " unit"], unit_weights: Float[Tensor, " unit"],
    objective: Objective, seed: int,
) -> Linear:  # fmt: skip
    """Adam on cross-entropy under a mask per unit, less the masks' entropy; the masks' odds by REINFORCE."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.zeros(objective.n_labels, activations.shape[1], requires_grad=True)
    bias, odds = torch.zeros(objective.n_labels, requires_grad=True), torch.zeros(activations.shape[1]).requires_grad_()
    optimizer = torch.optim.Adam([weights, bias, odds], lr=objective.lr, fused=True)
    for _ in range(objective.epochs):
        for units in torch.randperm(len(labels), generator=generator).split(objective.batch_size):
            kept = odds.sigmoid()
            mask = (torch.rand(len(units), len(odds), generator=generator) < kept).float()
            outputs = (activations[units] * mask) @ weights.T + bias
            own = unit_weights[units]
            loss = functional.cross_entropy(outputs, labels[units], reduction="none")
            chance = mask @ functional.logsigmoid(odds) + (1 - mask) @ functional.logsigmoid(-odds)
            surprise = (loss - loss.mean()).detach()
            entropy = -(kept * functional.logsigmoid(odds) + (1 - kept) * functional.logsigmoid(-odds)).sum()
            penalty = objective.l1 * weights.abs().sum() + objective.l2 * weights.square().sum()
            total = (own * (loss + surprise * chance)).mean() - objective.entropy * entropy + penalty
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
    return Linear(weights.detach(), bias.detach(), odds.detach().sigmoid())


class MaskedProbe:
    """A linear probe whose neurons are masked, but for a growing set."""

    def __init__(
        self, probe: Linear, dev: Float[Tensor, "candidate judge"], dev_labels: Int[Tensor, " judge"]
    ) -> None:  # fmt: skip
        """With no neuron, it gives its bias."""
        self._weights, self._dev, self._dev_labels = probe.weights, dev, dev_labels
        self._outputs = probe.bias[:, None].expand(-1, dev.shape[1]).clone()

    def likelihoods(self) -> Float[Tensor, " candidate"]:
        """Mean log p(label | set and candidate) over dev."""
        return torch.stack([self._with(j) for j in range(len(self._dev))])

    def _with(self, candidate: int) -> Float[Tensor, ""]:
        outputs = self._outputs + self._weights[:, candidate, None] * self._dev[candidate]
        return -functional.cross_entropy(outputs.T, self._dev_labels)

    def add(self, candidate: int) -> None:
        """Its mask is lifted."""
        self._outputs = self._outputs + self._weights[:, candidate, None] * self._dev[candidate]
