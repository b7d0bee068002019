"""Ablation in the trained probe (EMNLP 2020 section 3.3, table 1): keep a set of neurons, set all others to zero."""

from __future__ import annotations

from collections.abc import Sequence

from neuronprobe.activations import Split
from neuronprobe.probes import Probe
from neuronprobe.studies.comparison import compare, neuron_sets
from neuronprobe.types import Ranking, Result


def ablation(
    probe: Probe,
    ranking: Ranking,
    splits: dict[str, Split],
    sizes: Sequence[int | float],
    draws: int,
    seed: int,
    solver: str,
) -> Result:
    """Top, random, layer-matched random and bottom sets kept, nothing retrained. `sizes` are counts or shares."""
    table = next(iter(splits.values())).neurons
    names = ("top", "random", "layer_matched", "bottom")
    sets = neuron_sets(ranking, table, sizes, names, draws, seed)
    kept = [probe.keep(chosen.neurons) for chosen in sets]
    return compare("ablation", "ablated", sets, kept, splits, ranking, seed, solver)
