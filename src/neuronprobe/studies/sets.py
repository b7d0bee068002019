"""The sets of neurons that studies compare: top and bottom of a ranking, and random sets, drawn anew for every size."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neuronprobe import neurons
from neuronprobe.neurons import Neurons, NeuronTable
from neuronprobe.types import Ranking

RANDOM_SETS = ("random", "layer_matched")


@dataclass(frozen=True)
class NeuronSet:
    """k neurons, the name of the set they are (top, bottom, random, layer_matched) and the ranking that it is about.

    The random ones have a `draw`.
    """

    name: str
    k: int
    draw: int | None
    neurons: Neurons
    ranking: str


def neuron_sets(
    rankings: Mapping[str, Ranking], table: NeuronTable, draws: Mapping[int, int], names: Sequence[str], seed: int
) -> list[NeuronSet]:
    """All sets of all sizes of the first ranking; top and bottom of the others.

    `draws` says how many random sets there are of each size.
    """
    sets = []
    primary = next(iter(rankings))
    for which, ranking in rankings.items():
        wanted = [name for name in names if which == primary or name not in RANDOM_SETS]
        for k, n_draws in draws.items():
            for name in wanted:
                for draw in range(n_draws) if name in RANDOM_SETS else [None]:
                    chosen = _choose(name, ranking, table, k, _seed(seed, name, k, draw))
                    sets.append(NeuronSet(name, k, draw, chosen, which))
    return sets


def sizes(values: Sequence[int | float], n_neurons: int) -> list[int]:
    """Counts or shares as counts, each once. Raises InputError where one is beyond the neurons."""
    return list(dict.fromkeys(neurons.size("sizes", value, n_neurons) for value in values))


def not_earned(ranking: Ranking, name: str, k: int) -> dict[str, Any]:
    """A flag that tells how many neurons of a top or bottom set stand behind those that the ranking ordered."""
    behind = len(ranking.order) - ranking.earned
    beyond = {"top": max(0, k - ranking.earned), "bottom": min(k, behind)}.get(name, 0)
    return {"not_earned": beyond} if beyond else {}


def _choose(name: str, ranking: Ranking, table: NeuronTable, k: int, seed: int) -> Neurons:
    match name:
        case "top":
            return neurons.top(ranking.order, k)
        case "bottom":
            return neurons.bottom(ranking.order, k)
        case "layer_matched":
            return neurons.layer_matched(table, neurons.top(ranking.order, k), seed)
        case _:
            return neurons.random(len(table), k, seed)


def _seed(seed: int, name: str, k: int, draw: int | None) -> int:
    """Unlike for every job's seed, kind of set, size and draw."""
    digest = hashlib.blake2b(f"{seed} {name} {k} {draw}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
