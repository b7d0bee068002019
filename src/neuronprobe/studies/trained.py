"""What a job has once its bank is trained: all that a study takes beside its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from jaxtyping import Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.errors import InputError, choice
from neuronprobe.neurons import Neurons, NeuronTable
from neuronprobe.probes import Fit, Member, Probe, score
from neuronprobe.progress import bar
from neuronprobe.rankings import Evidence, Rank
from neuronprobe.targets import Scored, Target
from neuronprobe.types import Ranking

WHICH = ("primary", "all")
"""Of which rankings a study speaks."""


@dataclass(frozen=True)
class Trained:
    """Splits train, dev and test, the names of outputs, the grid's probes and the chosen one, rankings by name.

    `labels` are those of train, or the property's name where it has values. `ranks` are the functions that made the
    `rankings`; the first is the primary one. `fit` trains more probes the way that the grid was trained. Differences
    and intervals are those of `metric`.
    """

    splits: Mapping[str, Split]
    labels: Sequence[str]
    fit: Fit
    grid: Sequence[Probe]
    probe: Probe
    ranks: Mapping[str, Rank]
    rankings: Mapping[str, Ranking]
    metric: str = "accuracy"

    @property
    def train(self) -> Split:
        """What probes are trained on."""
        return self.splits["train"]

    @property
    def target(self) -> Target:
        """What is predicted."""
        return self.train.target

    @property
    def held_out(self) -> dict[str, Split]:
        """What probes are scored on: dev and test."""
        return {name: split for name, split in self.splits.items() if name != "train"}

    @property
    def table(self) -> NeuronTable:
        """The neurons."""
        return self.train.neurons

    @property
    def seed(self) -> int:
        """Of draws, resamples and initialisations."""
        return self.fit.seed

    @cached_property
    def primary(self) -> str:
        """The name of the ranking that the headline is about."""
        return next(iter(self.rankings))

    @property
    def ranking(self) -> Ranking:
        """The primary one."""
        return self.rankings[self.primary]

    def of(self, which: str) -> Mapping[str, Ranking]:
        """The rankings that a study speaks of. Raises InputError unless `which` is primary or all."""
        choice("rankings", which, WHICH)
        return self.rankings if which == "all" else {self.primary: self.ranking}

    def rank(self, probe: Probe, weights: Float[Tensor, " unit"] | None = None) -> Ranking:
        """The primary ranking of another probe, or of a resample."""
        return self.ranks[self.primary](self.evidence(probe, weights))

    def evidence(self, probe: Probe | None, weights: Float[Tensor, " unit"] | None = None) -> Evidence:
        """What rankings may look at."""
        return Evidence(self.train, self.splits["dev"], self.fit, self.seed, probe, weights)

    def retrain(self, sets: Sequence[Neurons]) -> list[Probe]:
        """New probes on these neurons alone, to be scored, with the λ and seed of the chosen one; one bank."""
        members = [self.member(neurons, near=self.probe) for neurons in sets]
        return self.fit.for_scores(self.probe.l1)(members, self.train)

    def scored(self, probes: Sequence[Probe]) -> dict[str, Scored]:
        """What probes get right on dev and on test, with all that the job's metric needs for intervals."""
        return {name: score(probes, split, self.keeps(name)) for name, split in self.held_out.items()}

    def keeps(self, split: str) -> bool:
        """Whether predictions are kept: all metrics have intervals on test."""
        return split == "test" and self.target.keeps(self.metric)

    def member(self, neurons: Neurons | None = None, **own: Any) -> Member:
        """A member with the λ and seed of the chosen probe."""
        return replace(Member(self.probe.l1, self.probe.l2, self.probe.seed, neurons), **own)

    def about(self, **more: Any) -> dict[str, Any]:
        """What all rows about the chosen λ say."""
        probe = self.probe
        about: dict[str, Any] = {"solver": self.fit.solver, "task": "property"}
        return about | {"seed": probe.seed, "l1": probe.l1, "l2": probe.l2} | more


def named(ranks: Mapping[Any, Rank], evidence: Evidence) -> dict[str, Ranking]:
    """All rankings of one evidence, by the names that they give themselves. Raises InputError where two share one."""
    with bar("rankings", len(ranks)) as advance:
        found = []
        for rank in ranks.values():
            found.append(rank(evidence))
            advance(len(found))
    names = [ranking.name for ranking in found]
    if len(set(names)) < len(names):
        raise InputError(f"ranking must be a list of different rankings, got {', '.join(names)}; leave one out.")
    return dict(zip(names, found, strict=True))
