"""Ablation in the trained probe (EMNLP 2020 section 3.3, table 1; JMLR 2023 table 2): keep a set of neurons, set all
others to zero, and to their means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import size
from neuronprobe.probes import Probe, scores
from neuronprobe.studies.baselines import constant_probe
from neuronprobe.studies.cells import BASELINES, FILLS
from neuronprobe.studies.comparison import compare
from neuronprobe.studies.sets import NeuronSet, neuron_sets, sizes
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Result

SETS = ("top", "random", "layer_matched", "bottom")
TESTED = (0.1, 0.2)
"""The shares at which it is tested whether top beats random."""


def ablation(
    trained: Trained, values: Sequence[int | float], draws: int, tested_draws: int = 0, rankings: str = "all"
) -> Result:
    """Top, random, layer-matched random and bottom sets kept, nothing retrained; areas over the shares.

    `values` are counts or shares. What is not kept is 0 in the raw activation (`fill` zero) and, apart, the mean of
    train (`fill` mean). There are `draws` random sets of a size, and on test at least `tested_draws` at 10 and 20 %.
    """
    table = trained.table
    tested = {size("share", share, len(table)) for share in TESTED}
    n_draws = {k: max(draws, tested_draws) if k in tested else draws for k in sizes(values, len(table))}
    sets = neuron_sets(trained.of(rankings), table, n_draws, SETS, trained.seed)
    few = [chosen for chosen in sets if chosen.draw is None or chosen.draw < draws]
    by_split = (_ablated(trained, sets if name == "test" else few, name) for name in trained.held_out)
    return sum(chain.from_iterable(by_split), Result(()))


def _ablated(trained: Trained, sets: Sequence[NeuronSet], name: str) -> Iterator[Result]:
    """What the sets give on one split, with each fill."""
    behind = {BASELINES[trained.target.constant]: constant_probe(trained.train), "all neurons": trained.probe}
    levels = {level: len(sets) + i for i, level in enumerate(behind)}
    kept = [trained.probe.keep(chosen.neurons) for chosen in sets]
    biases_of = filled(trained.probe, kept, trained.train)
    biases = [torch.stack([*own, *(probe.bias for probe in behind.values())]) for own in biases_of.values()]
    found = scores([*kept, *behind.values()], biases, trained.splits[name], trained.keeps(name))
    for fill, counts in zip(biases_of, found, strict=True):
        about: dict[str, Any] = {"constant": len(sets), "curve": True, "fill": fill, "levels": levels}
        about["title"] = f"Kept in the trained probe, the {FILLS[fill]}"
        yield compare("ablation", "ablated", trained, sets, kept, {name: counts}, **about)


def filled(probe: Probe, kept: Sequence[Probe], train: Split) -> dict[str, list[Float[Tensor, " label"]]]:
    """The bias of each kept probe, by what its other neurons are: they give it what their constants contribute."""
    means = train.standardisation.mean.cpu().double()
    whole = probe.weights.double() @ (means if probe.neurons is None else means[probe.neurons])
    at_means = [
        (probe.bias.double() + whole - one.weights.double() @ means[one.neurons]).float() for one in kept
    ]  # kept probes name their neurons
    return {"zero": [probe.bias] * len(kept), "mean": at_means}
