"""Ablation in the trained probe (EMNLP 2020 section 3.3, table 1; JMLR 2023 table 2): keep a set of neurons, set all
others to zero, and to their means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import size, top
from neuronprobe.probes import Probe, scores
from neuronprobe.studies.baselines import majority_probe
from neuronprobe.studies.comparison import compare
from neuronprobe.studies.sets import NeuronSet, neuron_sets, sizes
from neuronprobe.types import Ranking, Result, Row

SETS = ("top", "random", "layer_matched", "bottom")
TESTED = (0.1, 0.2)
"""The shares at which it is tested whether top beats random."""


def ablation(
    probe: Probe, ranking: Ranking, train: Split, splits: Mapping[str, Split], values: Sequence[int | float],
    draws: int, seed: int, solver: str, tested_draws: int = 0, metric: str = "accuracy",
) -> Result:  # fmt: skip
    """Top, random, layer-matched random, bottom and heaviest sets kept, nothing retrained; areas over the shares.

    `values` are counts or shares. What is not kept is 0 in the raw activation (`fill` zero) and, apart, the mean of
    train (`fill` mean). There are `draws` random sets of a size, and at least `tested_draws` at 10 and 20 %.
    """
    table = train.neurons
    tested = {size("share", share, len(table)) for share in TESTED}
    n_draws = {k: max(draws, tested_draws) if k in tested else draws for k in sizes(values, len(table))}
    sets = neuron_sets(ranking, table, n_draws, SETS, seed)
    order = magnitude_order(probe.trained_weights)
    sets += [NeuronSet("magnitude", k, None, top(order, k)) for k in n_draws]
    majority = majority_probe(train)
    kept = [probe.keep(chosen.neurons) for chosen in sets]
    biases = {fill: torch.stack([*own, majority.bias]) for fill, own in _biases(probe, kept, train).items()}
    probes = [*kept, majority]
    found = {
        name: scores(probes, list(biases.values()), split, predictions=metric != "accuracy" and name == "test")
        for name, split in splits.items()
    }
    rows: list[Row] = []
    correct: dict[str, Tensor] = {}
    for i, fill in enumerate(biases):
        filled = compare(
            "ablation", "ablated", sets, kept, {name: own[i] for name, own in found.items()}, ranking, seed, solver,
            metric, majority=len(sets), curve=True, fill=fill,
        )  # fmt: skip
        rows += filled.rows
        correct |= filled.correct
    return Result(tuple(rows), correct)


def _biases(probe: Probe, kept: Sequence[Probe], train: Split) -> dict[str, list[Float[Tensor, " label"]]]:
    """Of each kept probe, by what its other neurons are: they give its bias what their constants contribute."""
    means = train.standardisation.mean.cpu()
    if probe.neurons is not None:
        means = means[probe.neurons]
    whole = probe.weights.double() @ means.double()
    own = torch.arange(len(train.neurons)) if probe.neurons is None else probe.neurons
    column = torch.full((len(train.neurons),), -1)
    column[own] = torch.arange(len(own))
    filled = []
    for one in kept:
        assert one.neurons is not None
        rest = whole - one.weights.double() @ means[column[one.neurons]].double()
        filled.append((probe.bias.double() + rest).float())
    return {"zero": [probe.bias] * len(kept), "mean": filled}


def magnitude_order(weights: Float[Tensor, "label neuron"]) -> Int[Tensor, " neuron"]:
    """Neurons by mean |w| over labels, heaviest first; ties by flat index.

    JMLR 2023 (table 2, "Wt. Mag.") says no more than "weight magnitude"; the mean over labels is the order of Antverg &
    Belinkov 2022 (appendix A.1).
    """
    return torch.argsort(weights.detach().double().abs().mean(0), descending=True, stable=True)
