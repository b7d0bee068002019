"""Borda's count over several rankings (Fan et al. 2023, section 4: the aggregation of NeuronVote), as one ranking."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from scipy.stats import rankdata
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.rankings.checking import checked
from neuronprobe.rankings.evidence import Evidence, Rank
from neuronprobe.rankings.ordering import depth, ordered, shares
from neuronprobe.rankings.rehearsal import rehearse
from neuronprobe.types import Ranking


def borda(evidence: Evidence, members: Mapping[str, Rank | None]) -> Ranking:
    """Most points first: each member gives a neuron as many as there are neurons behind it; `score` is the mean.

    Neurons that a member did not earn share its last positions. What no member earned is not earned. A label's own
    order is by points too, over the members' own orders for the label. The order of the members decides nothing.
    Not invariant to scale, where a member is not.
    """
    ranks = [rank for rank in (members or {}).values() if rank is not None]
    if not ranks:
        raise InputError(
            "ranking.borda.members must be one or more rankings, got none; "
            "add one with +ranking@ranking.borda.members.lca=lca."
        )
    for rank in ranks:
        rehearse(rank, evidence.train, evidence.dev, evidence.fit, evidence.seed)  # before the first of them works
    found = [checked(rank)(evidence) for rank in ranks]
    score = torch.stack([points(one) for one in found]).mean(0)
    own = torch.stack([_label_points(one) for one in found]).mean(0)
    return ordered("borda", (-score,), _earned(found), score, depth(shares(own)), evidence.seed)


def points(ranking: Ranking) -> Float[Tensor, " neuron"]:
    """How many neurons stand behind each; those that were not earned share the mean of their positions."""
    n, earned = len(ranking.order), ranking.earned
    found = torch.full((n,), (n - earned - 1) / 2, dtype=torch.float64)
    found[ranking.order[:earned]] = torch.arange(n - 1, n - 1 - earned, -1, dtype=torch.float64)
    return found


def _label_points(ranking: Ranking) -> Float[Tensor, "label neuron"]:
    """How many neurons stand behind each in a label's own order, 0 for those that are not the label's."""
    depths = ranking.by_label
    behind = torch.from_numpy(rankdata(-depths.numpy(), axis=1)) - 1
    return torch.where(depths < 1, behind, 0.0)


def _earned(found: list[Ranking]) -> Bool[Tensor, " neuron"]:
    earned = torch.zeros(len(found[0].order), dtype=torch.bool)
    for ranking in found:
        earned[ranking.order[: ranking.earned]] = True
    return earned
