"""Retraining (AAAI 2019 table 4; JMLR 2023 section 5.3): a new probe on a set of neurons alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from neuronprobe.activations import Split
from neuronprobe.probes import Member, Probe, score
from neuronprobe.studies.comparison import compare
from neuronprobe.studies.sets import neuron_sets, sizes
from neuronprobe.types import Ranking, Result

FitBank = Callable[[Sequence[Member], Split], list[Probe]]


def retraining(
    probe: Probe, ranking: Ranking, train: Split, splits: Mapping[str, Split], fit: FitBank,
    values: Sequence[int | float], draws: int, seed: int, solver: str, metric: str = "accuracy",
) -> Result:  # fmt: skip
    """Top, random and bottom sets of all sizes as members of one bank, with the λ of `probe`."""
    n_draws = dict.fromkeys(sizes(values, len(train.neurons)), draws)
    sets = neuron_sets(ranking, train.neurons, n_draws, ("top", "random", "bottom"), seed)
    probes = fit([Member(probe.l1, probe.l2, probe.seed, chosen.neurons) for chosen in sets], train)
    scored = {name: score(probes, split, predictions=metric != "accuracy") for name, split in splits.items()}
    return compare("retraining", "retrained", sets, probes, scored, ranking, seed, solver, metric)
