"""Group lasso over labels (Yuan and Lin 2006): a neuron is in the probe for all labels, or out.

mean cross-entropy + λ Σ_neurons ‖θ_neuron‖₂, θ_neuron the neuron's weights of all labels; neurons are ranked by the λ
at which they come in. Accelerated proximal gradient with restart on z-scores, along a path of falling λ.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import number, whole_number
from neuronprobe.rankings.candidates import candidates
from neuronprobe.rankings.columns import columns_of
from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.ordering import depth, ordered, shares
from neuronprobe.types import Ranking


@reads_no_probe
def group_lasso(
    evidence: Evidence, least: float = 0.02, steps: int = 20, passes: int = 40, l2: float = 1e-3,
    most: int | None = None,
) -> Ranking:  # fmt: skip
    """Those that come in at the largest λ first, of equals the heavier; `score` is that λ over λ_max, from 0 to 1.

    λ falls in `steps` equal ratios from λ_max, above which no neuron is in, to the share `least` of it, with at most
    `passes` gradient steps each. Looks at the `most` candidates (500, pre-chosen by mean |w| of a ridge probe with
    λ2 = `l2`); those that come in are earned. A label's own order is by |θ| at the last λ. Not invariant to scale,
    unless `fit` standardises: the pre-choice is not.
    """
    number("ranking.group_lasso.least", least, 1e-6, 1)
    whole_number("ranking.group_lasso.steps", steps, 2)
    whole_number("ranking.group_lasso.passes", passes, 1)
    evidence.labels_to_tell_apart("group_lasso")
    found = candidates(evidence, "group_lasso", most, l2)
    problem = _problem(evidence, found.neurons)
    entered = torch.zeros(len(found.neurons), dtype=torch.float64)
    start = problem.start
    for share in torch.logspace(0, torch.tensor(least).log10().item(), steps)[1:].tolist():
        start = solve(problem, share * problem.largest, start, passes)
        is_new = (start.weights.norm(dim=0) > 0) & (entered == 0)
        entered[is_new] = share
    score = torch.zeros(len(evidence.table), dtype=torch.float64)
    weight, own = score.clone(), torch.zeros_like(found.weights)
    score[found.neurons] = entered
    own[evidence.supported.nonzero(), found.neurons] = start.weights.abs().double()
    weight[found.neurons] = start.weights.norm(dim=0).double()
    return ordered("group_lasso", (-score, -weight), score > 0, score, depth(shares(own)), evidence.seed)


@dataclass(frozen=True)
class Solution:
    """Weights and bias."""

    weights: Float[Tensor, "label candidate"]
    bias: Float[Tensor, " label"]


@dataclass(frozen=True)
class Problem:
    """Z-scores with a constant neuron behind them, one row of ones per unit's label, weights of the units, mean 1."""

    activations: Float[Tensor, "candidate unit"]
    labels: Float[Tensor, "label unit"]
    weights: Float[Tensor, " unit"]

    def gradient(self, at: Solution) -> Solution:
        """Of the mean cross-entropy."""
        outputs = at.weights @ self.activations + at.bias[:, None]
        rest = (outputs.softmax(0) - self.labels) * (self.weights / len(self.weights))
        return Solution(rest @ self.activations.T, rest.sum(1))

    @property
    def start(self) -> Solution:
        """No neuron; the bias at its own optimum."""
        shares = self.labels @ self.weights / len(self.weights)
        return Solution(torch.zeros(len(self.labels), len(self.activations)), shares.log())

    @property
    def largest(self) -> float:
        """λ_max."""
        return float(self.gradient(self.start).weights.norm(dim=0).max())

    @property
    def curvature(self) -> float:
        """At most the largest of the loss (softmax: half the largest eigenvalue of the second moments)."""
        vector = torch.ones(len(self.activations) + 1)
        rows = torch.cat([self.activations, torch.ones(1, self.activations.shape[1])])
        for _ in range(20):
            vector = rows @ (self.weights / len(self.weights) * (vector / vector.norm() @ rows))
        return 0.55 * float(vector.norm())


def solve(problem: Problem, penalty: float, start: Solution, passes: int) -> Solution:
    """Accelerated proximal gradient (Beck and Teboulle 2009), begun anew where momentum points uphill."""
    step, momentum, now, ahead = 1 / problem.curvature, 1.0, start, start
    for _ in range(passes):
        slope = problem.gradient(ahead)
        weights = shrink(ahead.weights - step * slope.weights, step * penalty)
        reached = Solution(weights, ahead.bias - step * slope.bias)
        moved, back = reached.weights - now.weights, ahead.weights - reached.weights
        if float((back * moved).sum()) > 0:
            momentum = 1.0
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        share = (momentum - 1) / following
        ahead = Solution(reached.weights + share * moved, reached.bias + share * (reached.bias - now.bias))
        now, momentum = reached, following
        if float(moved.abs().max()) < 1e-6:
            break
    return now


def shrink(weights: Float[Tensor, "label candidate"], by: float) -> Float[Tensor, "label candidate"]:
    """Each neuron's weights shorter by `by`, or zero: the proximal step of the penalty."""
    length = weights.norm(dim=0)
    return weights * torch.where(length > by, 1 - by / length.clamp_min(1e-30), 0.0)


def _problem(evidence: Evidence, neurons: Tensor) -> Problem:
    own = evidence.unit_weights > 0
    weights = evidence.unit_weights[own]
    weights = weights / weights.mean()
    values = columns_of(evidence.train, neurons)[:, own]
    mean = (values @ weights / len(weights))[:, None]
    deviation = ((values - mean).square() @ weights / len(weights)).sqrt()[:, None]
    values = (values - mean) / torch.where(deviation > 0, deviation, 1.0)
    labels = evidence.train.units.labels[own] == evidence.supported.nonzero()
    return Problem(values, labels.float(), weights)
