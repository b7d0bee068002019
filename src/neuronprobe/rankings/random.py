"""A drawn order: what any ranking must beat."""

from __future__ import annotations

import torch

from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.ordering import ordered
from neuronprobe.types import Ranking


@reads_no_probe
def random(evidence: Evidence) -> Ranking:
    """All neurons in an order drawn by the seed: none is earned, and none is a label's. `score` is 0.

    Invariant to all that activations may do.
    """
    n, n_labels = len(evidence.table), evidence.train.n_labels
    nothing = torch.zeros(n, dtype=torch.float64)
    return ordered("random", (), nothing > 0, nothing, torch.ones(n_labels, n, dtype=torch.float64), evidence.seed)
