"""Retraining (AAAI 2019 table 4; JMLR 2023 section 5.3): a new probe on a set of neurons alone."""

from __future__ import annotations

from collections.abc import Sequence

from neuronprobe.studies.baselines import constant_probe
from neuronprobe.studies.cells import BASELINES
from neuronprobe.studies.comparison import compare
from neuronprobe.studies.sets import neuron_sets, sizes
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Result


def retraining(trained: Trained, values: Sequence[int | float], draws: int, rankings: str = "primary") -> Result:
    """Top, random and bottom sets of all sizes as members of one bank, with the λ of the chosen probe."""
    n_draws = dict.fromkeys(sizes(values, len(trained.table)), draws)
    sets = neuron_sets(trained.of(rankings), trained.table, n_draws, ("top", "random", "bottom"), trained.seed)
    probes = trained.retrain([chosen.neurons for chosen in sets])
    scored = trained.scored([*probes, constant_probe(trained.train), trained.probe])
    levels = {BASELINES[trained.target.constant]: len(sets), "all neurons": len(sets) + 1}
    title = "Retrained on the set alone"
    return compare("retraining", "retrained", trained, sets, probes, scored, title=title, levels=levels)
