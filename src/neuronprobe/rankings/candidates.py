"""The neurons that a dear ranking looks at: those of largest mean |w| in a ridge probe of the ranking's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import whole_number
from neuronprobe.neurons import Neurons
from neuronprobe.probes import Member, Probe
from neuronprobe.rankings.evidence import Evidence
from neuronprobe.rankings.last import Last

MOST = 500
"""Candidates of a dear ranking, unless it is told a number."""


@dataclass(frozen=True)
class Candidates:
    """Flat indices, heaviest first; and the |weights| of all neurons that chose them, 0 for labels there are not."""

    neurons: Neurons
    weights: Float[Tensor, "label neuron"]


def candidates(evidence: Evidence, ranking: str, most: int | None, l2: float) -> Candidates:
    """At most `most` neurons (None: 500, or all there are). Raises InputError where there are not as many."""
    if len(evidence.train.target) > 1:
        evidence.labels_to_tell_apart(ranking)
    n_chosen = n_candidates(evidence, ranking, most)
    probe = ridge_probe(evidence, ranking, l2)
    weights = torch.where(evidence.supported[:, None], probe.trained_weights, 0.0).detach().double().abs()
    return Candidates(weights.mean(0).argsort(descending=True, stable=True)[:n_chosen], weights)


def n_candidates(evidence: Evidence, ranking: str, most: int | None) -> int:
    """How many there are. Raises InputError where it is more than the neurons."""
    n = len(evidence.table)
    return min(MOST, n) if most is None else whole_number(f"ranking.{ranking}.most", most, 1, n)


_last = Last[Probe]()


def ridge_probe(evidence: Evidence, ranking: str, l2: float) -> Probe:
    """A probe of all neurons with λ1 = 0; the one that was trained last serves the next ranking that asks for it."""
    arguments = (evidence.fit, evidence.seed, evidence.weights, l2)
    return _last.get(evidence.train, arguments, lambda: evidence.trained([Member(0.0, l2, evidence.seed)], ranking)[0])
