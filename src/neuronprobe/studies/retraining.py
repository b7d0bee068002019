"""Retraining (AAAI 2019 table 4; JMLR 2023 section 5.3): a new probe on a set of neurons alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from neuronprobe.activations import Split
from neuronprobe.probes import Member, Probe
from neuronprobe.studies.comparison import compare, neuron_sets
from neuronprobe.types import Ranking, Result

FitBank = Callable[[Sequence[Member], Split], list[Probe]]


def retraining(
    probe: Probe, ranking: Ranking, train: Split, splits: dict[str, Split], fit: FitBank,
    sizes: Sequence[int | float], draws: int, seed: int, solver: str,
) -> Result:  # fmt: skip
    """Top, random and bottom sets of all sizes as members of one bank, with the λ of `probe`."""
    sets = neuron_sets(ranking, train.neurons, sizes, ("top", "random", "bottom"), draws, seed)
    members = [Member(probe.l1, probe.l2, probe.seed, chosen.neurons) for chosen in sets]
    return compare("retraining", "retrained", sets, fit(members, train), splits, ranking, seed, solver)
