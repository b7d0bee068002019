"""Group lasso over labels (Yuan and Lin 2006): a neuron is in the probe for all labels, or out.

Neurons are ranked by the λ at which they come in, along the path of `probes.solvers.group_lasso`.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from neuronprobe.errors import number, whole_number
from neuronprobe.probes.solvers.group_lasso import GroupLasso, lengths, path
from neuronprobe.progress import bar
from neuronprobe.rankings.candidates import candidates
from neuronprobe.rankings.columns import columns_of
from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.ordering import depth, ordered, shares
from neuronprobe.types import Ranking

log = logging.getLogger(__name__)


@reads_no_probe
def group_lasso(
    evidence: Evidence, least: float = 0.02, steps: int = 20, passes: int = 1000, tolerance: float = 0.01,
    l2: float = 1e-3, most: int | None = None,
) -> Ranking:  # fmt: skip
    """Those that come in at the largest λ first, of equals the heavier; `score` is that λ over λ_max, from 0 to 1.

    λ falls in `steps` equal ratios from λ_max, above which no neuron is in, to the share `least` of it; each is solved
    to a residual of `tolerance` × λ, in at most `passes` gradients. Looks at the `most` candidates (500, pre-chosen by
    mean |w| of a ridge probe with λ2 = `l2`); those that come in are earned. A label's own order is by |θ| at the last
    λ. Not invariant to scale, unless `fit` standardises: the pre-choice is not.
    """
    number("ranking.group_lasso.least", least, 1e-6, 1)
    number("ranking.group_lasso.tolerance", tolerance, 1e-4, 1)
    whole_number("ranking.group_lasso.steps", steps, 2)
    whole_number("ranking.group_lasso.passes", passes, 1)
    evidence.labels_to_tell_apart("group_lasso")
    found = candidates(evidence, "group_lasso", most, l2)
    entered = torch.zeros(len(found.neurons), dtype=torch.float64)
    falling = torch.logspace(0, torch.tensor(least).log10().item(), steps)[1:].tolist()
    solutions = path(problem_of(evidence, found.neurons), falling, passes, tolerance)
    late = 0
    with bar("group lasso", len(falling)) as advance:
        for done, (share, (point, is_solved)) in enumerate(zip(falling, solutions, strict=True), 1):
            entered[(lengths(point) > 0) & (entered == 0)] = share
            late += not is_solved
            advance(done)
    if late:
        log.warning(
            "group_lasso: %d of %d λ did not come to their optimum in %d passes; raise ranking.group_lasso.passes.",
            late, len(falling), passes,
        )  # fmt: skip
    score = torch.zeros(len(evidence.table), dtype=torch.float64)
    weight, own = score.clone(), torch.zeros_like(found.weights)
    score[found.neurons] = entered
    own[evidence.supported.nonzero(), found.neurons] = point[:, :-1].abs().double()
    weight[found.neurons] = lengths(point).double()
    return ordered("group_lasso", (-score, -weight), score > 0, score, depth(shares(own)), evidence.seed)


def problem_of(evidence: Evidence, neurons: Tensor) -> GroupLasso:
    """The group lasso of these neurons' z-scores."""
    own = evidence.unit_weights > 0
    weights = evidence.unit_weights[own]
    weights = weights / weights.mean()
    values = columns_of(evidence.train, neurons)[:, own]
    mean = (values @ weights / len(weights))[:, None]
    deviation = ((values - mean).square() @ weights / len(weights)).sqrt()[:, None]
    values = (values - mean) / torch.where(deviation > 0, deviation, 1.0)
    labels = evidence.train.units.labels[own] == evidence.supported.nonzero()
    return GroupLasso.of(values, labels.float(), weights)
