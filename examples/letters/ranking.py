"""A ranking: the most that a neuron weighs for any label."""

from __future__ import annotations

from neuronprobe.rankings import Evidence
from neuronprobe.types import Ranking


def heaviest(evidence: Evidence, power: float = 1.0) -> Ranking:
    """Largest |w|^power over labels first; each label has an order of its own."""
    weights = evidence.probe_weights().abs() ** power  # [label, neuron]
    return Ranking.from_scores("heaviest", weights.amax(0), evidence.seed, own=weights)
