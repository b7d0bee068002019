"""Greedy forward selection (Torroba Hennigen et al. 2020, section 3): the neuron joins that helps most on dev."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.errors import InputError, whole_number
from neuronprobe.neurons import Neurons
from neuronprobe.rankings.columns import columns_of

SELECTED = 50
"""Neurons that join one by one, unless a ranking is told a number (the paper's k)."""
MOST_UNITS = 5000
"""Units of dev that judge; of more, evenly spaced ones."""


@runtime_checkable
class Growing(Protocol):
    """A probabilistic probe of a growing set of candidates."""

    def likelihoods(self) -> Float[Tensor, " candidate"]:
        """Mean log-likelihood of the labels on dev, in nats, with each candidate added."""

    def add(self, candidate: int) -> None:
        """Let one join."""


@dataclass(frozen=True)
class Selection:
    """Candidates in the order in which they joined, and behind them the others by what each would add; with each the
    mean log-likelihood of dev, in nats.
    """

    order: Int[Tensor, " candidate"]
    likelihood: Float[Tensor, " candidate"]


def select(probe: Growing, n_candidates: int, k: int) -> Selection:
    """Let k join, whether or not it helps."""
    order: list[int] = []
    reached: list[float] = []
    for _ in range(k):
        found = _others(probe, order)
        order.append(int(found.argmax()))
        reached.append(float(found[order[-1]]))
        probe.add(order[-1])
    if len(order) < n_candidates:
        found = _others(probe, order)
        rest = found.argsort(descending=True, stable=True)[: n_candidates - len(order)].tolist()
        order, reached = order + rest, reached + found[rest].tolist()
    return Selection(torch.tensor(order), torch.tensor(reached, dtype=torch.float64))


def _others(probe: Growing, order: list[int]) -> Float[Tensor, " candidate"]:
    found = probe.likelihoods().double().clone()
    found[order] = -torch.inf
    return found


def n_selected(ranking: str, k: int | None, n_candidates: int) -> int:
    """How many join (None: 50, or all candidates). Raises InputError for more than there are."""
    return min(SELECTED, n_candidates) if k is None else whole_number(f"ranking.{ranking}.k", k, 1, n_candidates)


def normalised_information(likelihood: Float[Tensor, " _"], labels: Int[Tensor, " unit"]) -> Float[Tensor, " _"]:
    """Mutual information with the label over the label's entropy: both on the same units, both in bits; at most 1.

    Below 0 where the probe predicts worse than the labels' shares do.
    """
    shares = torch.bincount(labels).double() / len(labels)
    entropy = -float((shares[shares > 0] * shares[shares > 0].log2()).sum())
    return (entropy + likelihood / math.log(2)) / entropy


def judges(dev: Split, neurons: Neurons, labels: Int[Tensor, " label"]) -> tuple[Tensor, Tensor]:
    """Activations `[candidate, unit]` and positions in `labels` of the units of dev that judge.

    Raises InputError where dev has fewer than two of the labels.
    """
    position = torch.full((dev.n_labels + 1,), -1)
    position[labels] = torch.arange(len(labels))
    found = position[dev.units.labels.clamp_min(-1)]
    units = (found >= 0).nonzero().flatten()
    if len(found[units].unique()) < 2:
        raise InputError(
            f"dev must have units of at least 2 labels of train, got {len(found[units].unique())}; add some."
        )
    units = units[:: -(-len(units) // MOST_UNITS)] if len(units) > MOST_UNITS else units
    return columns_of(dev, neurons)[:, units], found[units]
