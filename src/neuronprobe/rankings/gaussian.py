"""Gaussian greedy selection (Torroba Hennigen et al. 2020): per label a Gaussian, which gives any subset a probe.

Neurons join one by one. A label's covariance is needed only between those that joined and the candidates: the rows of
its Cholesky factor grow with the set, and no label has a covariance of all neurons.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.errors import InputError, whole_number
from neuronprobe.rankings.candidates import candidates, n_candidates
from neuronprobe.rankings.columns import columns_of
from neuronprobe.rankings.evidence import Evidence, reads_no_probe
from neuronprobe.rankings.greedy import judges, n_selected, normalised_information, select
from neuronprobe.rankings.ordering import in_this_order
from neuronprobe.types import Ranking

LEAST_VARIANCE = 1e-3
"""Of a neuron within a label, as a share of its variance over all units."""
AT_A_TIME = 1 << 22
"""Residuals (labels × candidates × units) that are held at a time, 16 MiB."""


@reads_no_probe
def gaussian(
    evidence: Evidence, k: int | None = None, fewest: int = 20, l2: float = 1e-3, most: int | None = None
) -> Ranking:  # fmt: skip
    """The neuron joins with which the labels of dev are likeliest; `score` is the normalised mutual information
    (bits of the label that the set tells, over the label's entropy on dev) of the set when the neuron joined.

    k neurons join (50); the other candidates stand behind them by what each would add. Orders the `most` candidates
    (500, pre-chosen by mean |w| of a ridge probe) and earns these. Labels of fewer than `fewest` units of train are
    left out (the paper: 100 word types), and if dev has more than 5,000 units, about 5,000 of them judge.
    The normal-inverse-Wishart prior is the paper's; its posterior mean is taken, not the mode, whose denominator grows
    with the number of neurons. Not invariant to scale, unless `fit` standardises: the pre-choice is not.
    """
    fewest = whole_number("ranking.gaussian.fewest", fewest, 2)
    evidence.labels_to_tell_apart("gaussian")
    labels = (torch.bincount(evidence.train.units.labels[evidence.unit_weights > 0],
                             minlength=evidence.train.n_labels) >= fewest).nonzero().flatten()  # fmt: skip
    if len(labels) < 2:
        raise InputError(
            f"ranking.gaussian.fewest must leave at least 2 labels of train, got {fewest}, which leaves {len(labels)}; "
            "lower it."
        )
    k = n_selected("gaussian", k, n_candidates(evidence, "gaussian", most))
    found = candidates(evidence, "gaussian", most, l2)
    dev, dev_labels = judges(evidence.dev, found.neurons, labels)
    train = columns_of(evidence.train, found.neurons)
    probe = GaussianProbe(train, evidence.train.units.labels, evidence.unit_weights, labels, dev, dev_labels)
    chosen = select(probe, len(found.neurons), k)
    score = normalised_information(chosen.likelihood, dev_labels)
    return in_this_order("gaussian", found.neurons[chosen.order], score, found.weights, evidence.seed)


class GaussianProbe:
    """Class-conditional Gaussians over a growing set of candidates, with what dev needs to judge each next one."""

    def __init__(
        self, train: Float[Tensor, "candidate unit"], train_labels: Int[Tensor, " unit"],
        weights: Float[Tensor, " unit"], labels: Int[Tensor, " label"],
        dev: Float[Tensor, "candidate judge"], dev_labels: Int[Tensor, " judge"],
    ) -> None:  # fmt: skip
        """Fit means and variances; activations become z-scores, which changes no posterior."""
        own = [((train_labels == label) & (weights > 0)).nonzero().flatten() for label in labels.tolist()]
        every = torch.cat(own)
        mean, deviation = _mean_and_deviation(train[:, every], weights[every])
        self._dev, self._dev_labels = ((dev - mean) / deviation).contiguous(), dev_labels
        self._weights = [weights[units] for units in own]
        self._counts = torch.stack([one.sum() for one in self._weights])
        self._train = [(train[:, units] - mean) / deviation for units in own]
        self._means = torch.stack([x @ v / v.sum() for x, v in zip(self._train, self._weights, strict=True)])
        self._train = [x - mu[:, None] for x, mu in zip(self._train, self._means, strict=True)]
        scatter = torch.stack([x.square() @ v for x, v in zip(self._train, self._weights, strict=True)])
        self._variances = (scatter / self._counts[:, None]).clamp_min(LEAST_VARIANCE)
        self._factor = torch.zeros(len(labels), 0, len(train))
        self._whitened = torch.zeros(len(labels), 0, dev.shape[1])
        self._reached = (self._counts / self._counts.sum()).log()[:, None].expand(-1, dev.shape[1]).clone()

    def likelihoods(self) -> Float[Tensor, " candidate"]:
        """Mean log p(label | set and candidate) over dev."""
        n_labels, n = self._reached.shape
        some = torch.arange(self._dev.shape[0]).split(max(1, AT_A_TIME // (n_labels * n)))
        return torch.cat([self._with(chosen) for chosen in some])

    def _with(self, chosen: Int[Tensor, " candidate"]) -> Float[Tensor, " candidate"]:
        variances = self._variances[:, chosen]
        joint = self._residuals(chosen).square_().mul_(-0.5 / variances[:, :, None])
        joint += self._reached[:, None, :] - 0.5 * variances.log()[:, :, None]
        gold = joint.gather(0, self._dev_labels.expand(1, len(chosen), -1))[0]
        return (gold - joint.logsumexp(0)).mean(1)

    def _residuals(self, chosen: Int[Tensor, " candidate"]) -> Float[Tensor, "label candidate judge"]:
        """What each label's Gaussian of the set leaves of the candidates' activations in dev."""
        centred = self._dev[chosen][None] - self._means[:, chosen, None]
        return torch.baddbmm(centred, self._factor[:, :, chosen].mT, self._whitened, alpha=-1)

    def add(self, candidate: int) -> None:
        """One more row of each label's Cholesky factor, and of dev's whitened residuals."""
        left = self._residuals(torch.tensor([candidate]))[:, 0]
        variance = self._variances[:, candidate, None]
        scatter = torch.stack([x @ (v * x[candidate]) for x, v in zip(self._train, self._weights, strict=True)])
        covariance = scatter / (self._counts[:, None] + 1)
        row = covariance - (self._factor[:, :, candidate, None] * self._factor).sum(1)
        row = row / variance.sqrt()
        self._reached += -0.5 * (left.square() / variance + variance.log())
        self._factor = torch.cat([self._factor, row[:, None]], dim=1)
        self._whitened = torch.cat([self._whitened, (left / variance.sqrt())[:, None]], dim=1)
        least = LEAST_VARIANCE / (self._counts[:, None] + 1)
        self._variances = torch.maximum(self._variances - row.square(), least)


def _mean_and_deviation(
    values: Float[Tensor, "candidate unit"], weights: Float[Tensor, " unit"]
) -> tuple[Float[Tensor, "candidate 1"], Float[Tensor, "candidate 1"]]:
    mean = (values @ weights / weights.sum())[:, None]
    deviation = ((values - mean).square() @ weights / weights.sum()).sqrt()[:, None]
    return mean, torch.where(deviation > 0, deviation, 1.0)
