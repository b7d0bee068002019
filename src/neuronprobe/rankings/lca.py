"""LCA's ranking in closed form (AAAI 2019 algorithm 1 = JMLR 2023 algorithm 3).

The papers raise p from 0 to 100 % and, at each p, add for every label the shortest prefix of its neurons, heaviest
first, that holds p of the label's weight mass. A neuron enters a label's set at the mass of the strictly heavier
ones, so its key is the least of these over labels, and one sort ranks all neurons.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from neuronprobe.rankings.evidence import Evidence
from neuronprobe.rankings.ordering import depth, ordered, shares
from neuronprobe.types import Ranking


def lca(evidence: Evidence) -> Ranking:
    """Rank by the weight mass of the probe, see `by_mass`.

    Not invariant to scale: weights scale against the neuron's.
    """
    return by_mass(evidence.probe_weights(), evidence.seed)


def by_mass(weights: Float[Tensor, "label neuron"], seed: int = 0) -> Ranking:
    """Rank by weight mass: key, then the largest share |w| / Σ|w| over labels, then flat index.

    Weights that tie within a label share a key. A label without weight mass chooses no neuron. Neurons of zero weight
    are not earned. `score` is the key, smallest first: the mass at which the neuron becomes salient.
    """
    share = shares(weights.detach().double().abs())
    entry = depth(share)
    key, largest = entry.min(0).values, share.max(0).values
    return ordered("lca", (key, -largest), largest > 0, key, entry, seed)
