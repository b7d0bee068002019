"""Rankings by leaving: the least useful neurons leave, probes are trained anew on the others, and so on.

The last to leave comes first. All of them order their candidates alone (see `candidates`) and earn these.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import number, whole_number
from neuronprobe.neurons import Neurons
from neuronprobe.probes import Member, score
from neuronprobe.rankings.candidates import Candidates, candidates
from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.ordering import in_this_order
from neuronprobe.types import Ranking

Useful = Callable[[Float[Tensor, "label neuron"]], Float[Tensor, " neuron"]]
"""How useful neurons are by their weights in a probe of the remaining ones."""


@reads_no_probe
def k_sparse(evidence: Evidence, l2: float = 1e-3, most: int | None = None) -> Ranking:
    """Adaptive thresholding (Gurnee et al. 2023): the lighter half leaves by mean |w|, down to one neuron.

    Orders the `most` candidates (500, pre-chosen by mean |w|); `score` is the number of them behind and with it. The
    paper ranks for one label, with balanced classes. Not invariant to scale, unless `fit` standardises.
    """
    return _recursive("k_sparse", evidence, l2, most, 0.5, lambda weights: weights.abs().mean(0))


@reads_no_probe
def rfe(evidence: Evidence, l2: float = 1e-3, step: int | float = 0.5, most: int | None = None) -> Ranking:
    """Recursive elimination (Guyon et al. 2002; scikit-learn's RFE): those of least Σ w² over labels leave.

    `step` is how many leave at a time, or the share of the remaining ones that does. Orders the `most` candidates (500,
    pre-chosen by mean |w|); `score` is the number of them behind and with it. Not invariant to scale, unless `fit`
    standardises.
    """
    if isinstance(step, float):
        number("ranking.rfe.step", step, 1e-6, 1)
    else:
        whole_number("ranking.rfe.step", step, 1)
    return _recursive("rfe", evidence, l2, most, step, lambda weights: weights.square().sum(0))


def _recursive(
    name: str, evidence: Evidence, l2: float, most: int | None, step: int | float, useful: Useful
) -> Ranking:  # fmt: skip
    found = candidates(evidence, name, most, l2)
    remaining, left = found.neurons, list[Neurons]()
    while len(remaining) > 1:
        member = Member(0.0, l2, evidence.seed, neurons=remaining.sort().values)
        (probe,) = evidence.trained([member], name)
        assert probe.neurons is not None
        weights = probe.trained_weights.detach().double()[evidence.supported]
        ordered = probe.neurons[useful(weights).argsort(descending=True, stable=True)]
        leaving = step if isinstance(step, int) else max(1, int(step * len(ordered)))
        kept = max(1, len(ordered) - leaving)
        remaining, left = ordered[:kept], [ordered[kept:], *left]
    return _ranking(name, evidence, found, torch.cat([remaining, *left]))


@reads_no_probe
def elimination(
    evidence: Evidence, l2: float = 1e-3, groups: int = 8, step: float = 0.75, most: int | None = None
) -> Ranking:  # fmt: skip
    """Elimination by the bank: the groups leave without which a retrained probe is most accurate on dev.

    The remaining neurons stand in `groups` of about the same size, heavy ones with heavy ones; one bank trains a probe
    without each; the share `step` of the groups leaves that is missed least (of equals the lightest). Orders the `most`
    candidates (500, pre-chosen by mean |w|); `score` is the number of them behind and with it. The dearest ranking.
    Not invariant to scale, unless `fit` standardises.
    """
    whole_number("ranking.elimination.groups", groups, 2)
    number("ranking.elimination.step", step, 1e-6, 1)
    found = candidates(evidence, "elimination", most, l2)
    remaining, left = found.neurons, list[Neurons]()
    while len(remaining) > 1:
        parts = remaining.tensor_split(min(groups, len(remaining)))
        without = [torch.cat([*parts[:i], *parts[i + 1 :]]).sort().values for i in range(len(parts))]
        members = [Member(0.0, l2, evidence.seed, neurons=neurons) for neurons in without]
        probes = evidence.trained(members, "elimination")
        found_out = score(probes, evidence.dev).values(evidence.dev.target.metrics[0])
        missed_least = found_out.flip(0).argsort(descending=True, stable=True)
        order = [parts[len(parts) - 1 - int(i)] for i in missed_least][: max(1, int(step * len(parts)))]
        left = [*reversed(order), *left]
        remaining = remaining[~torch.isin(remaining, torch.cat(order))]
    return _ranking("elimination", evidence, found, torch.cat([remaining, *left]))


def _ranking(name: str, evidence: Evidence, found: Candidates, order: Neurons) -> Ranking:
    """Of the candidates, in this order."""
    behind = torch.arange(len(order), 0, -1).double()
    return in_this_order(name, order, behind, found.weights, evidence.seed)
