"""What a ranking may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.errors import InputError
from neuronprobe.neurons import NeuronTable
from neuronprobe.probes import Fit, Member, Probe
from neuronprobe.rankings.last import Last
from neuronprobe.rankings.moments import Moments, moments
from neuronprobe.types import Ranking

Rank = Callable[["Evidence"], Ranking]
"""A ranking: a function of the evidence."""
Key = tuple[float, float, int, bytes | None]
"""λ1, λ2, seed and neurons of a member."""


@dataclass(frozen=True)
class Evidence:
    """The train and dev splits (streamed in blocks), the chosen probe if there is one, `fit` for methods that train.

    `weights` of the units of train have mean 1: a resample is a weighting. `seed` draws the order behind the earned
    neurons.
    """

    train: Split
    dev: Split
    fit: Fit | None
    seed: int
    probe: Probe | None = None
    weights: Float[Tensor, " unit"] | None = None
    known: Mapping[Key, Probe] = field(default_factory=dict)
    """Probes that were trained on this weighting of all of train's neurons already, by the `key` of their members."""

    @property
    def table(self) -> NeuronTable:
        """The neurons to rank."""
        return self.train.neurons

    @property
    def unit_weights(self) -> Float[Tensor, " unit"]:
        """The weight of every unit of train."""
        return torch.ones(len(self.train)) if self.weights is None else self.weights

    @property
    def label_totals(self) -> Float[Tensor, " label"]:
        """The weight of each label over the units of train; of values the weight of all units."""
        return self.train.target.totals(self.train.units.labels, self.weights)

    @property
    def supported(self) -> Bool[Tensor, " label"]:
        """The labels that there are: a resample may lack some, and no ranking may see them."""
        return self.label_totals > 0

    def labels_to_tell_apart(self, ranking: str) -> Bool[Tensor, " label"]:
        """The labels that there are. Raises InputError where there are fewer than two, or values."""
        self.train.target.labels_for(f"ranking {ranking}")
        if int(self.supported.sum()) < 2:
            raise InputError(
                f"train must have units of at least 2 labels for ranking {ranking}, got {int(self.supported.sum())}; "
                "choose ranking=variance, which needs no labels, or another property."
            )
        return self.supported

    def moments(self, ranking: str) -> Moments:
        """Of the labels' activations in train. Raises InputError where there are fewer than two labels, or values."""
        self.labels_to_tell_apart(ranking)
        return moments(self.train, self.weights)

    def probe_weights(self) -> Float[Tensor, "label neuron"]:
        """θ as trained, 0 for labels that there are not. Raises InputError where there is no probe."""
        return torch.where(self.supported[:, None], self.given_probe().trained_weights, 0.0)

    def given_probe(self) -> Probe:
        """The chosen probe. Raises InputError where there is none."""
        if self.probe is None:
            raise InputError(
                "ranking must be one that needs no probe, got one that reads its weights; train one first."
            )
        return self.probe

    def trained(self, members: Sequence[Member], ranking: str) -> list[Probe]:
        """Probes of the ranking's own on train, by the job's `fit`, on the weighting. InputError without `fit`."""
        if self.fit is None:
            raise InputError(f"fit must be given to ranking {ranking}, which trains probes, got None; hand it a Fit.")
        known = [self.known.get(key(member)) if member.neurons is None else None for member in members]
        found = [probe for probe in known if probe is not None and probe.weights.shape[1] == len(self.table)]
        if len(found) == len(members):
            return found
        return self.fit([replace(member, weights=self.weights) for member in members], self.train)


def key(member: Member) -> Key:
    """What tells members of one weighting apart."""
    neurons = None if member.neurons is None else member.neurons.cpu().numpy().tobytes()
    return member.l1, member.l2, member.seed, neurons


def reads_no_probe(rank: Callable[..., Ranking]) -> Callable[..., Ranking]:
    """A ranking that says that it reads no probe: it is given none, and computed once for all probes of a grid."""
    last = Last[Ranking]()

    @wraps(rank)
    def ranked(evidence: Evidence, **settings: Any) -> Ranking:
        same = (evidence.dev, evidence.fit, evidence.seed, evidence.weights, *settings, *settings.values())
        return last.get(evidence.train, same, lambda: rank(replace(evidence, probe=None), **settings))

    ranked.reads_probe = False  # type: ignore[attr-defined]
    return ranked
