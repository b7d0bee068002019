"""Ablation in the trained probe (EMNLP 2020 section 3.3, table 1; JMLR 2023 table 2): keep a set of neurons, set all
others to zero or to their means.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import top
from neuronprobe.probes import Probe
from neuronprobe.studies.comparison import NeuronSet, compare, neuron_sets
from neuronprobe.types import Ranking, Result

SETS = ("top", "random", "layer_matched", "bottom")


def ablation(
    probe: Probe, ranking: Ranking, splits: dict[str, Split], sizes: Sequence[int | float], draws: int, seed: int,
    solver: str, means: Float[Tensor, " neuron"] | None = None,
) -> Result:  # fmt: skip
    """Top, random, layer-matched random, bottom and heaviest sets kept, nothing retrained; areas over the shares.

    `sizes` are counts or shares. What is not kept is 0 in the raw activation, or `means` (of train).
    """
    sets = neuron_sets(ranking, next(iter(splits.values())).neurons, sizes, SETS, draws, seed)
    order = magnitude_order(probe.trained_weights)
    sets += [NeuronSet("magnitude", k, None, top(order, k)) for k in dict.fromkeys(chosen.k for chosen in sets)]
    kept = [probe.keep(chosen.neurons, means) for chosen in sets]
    fill = "zero" if means is None else "mean"
    return compare("ablation", "ablated", sets, kept, splits, ranking, seed, solver, curve=True, fill=fill)


def magnitude_order(weights: Float[Tensor, "label neuron"]) -> Int[Tensor, " neuron"]:
    """Neurons by mean |w| over labels, heaviest first; ties by flat index.

    JMLR 2023 (table 2, "Wt. Mag.") says no more than "weight magnitude"; the mean over labels is the order of Antverg &
    Belinkov 2022 (appendix A.1).
    """
    return torch.argsort(weights.detach().double().abs().mean(0), descending=True, stable=True)
