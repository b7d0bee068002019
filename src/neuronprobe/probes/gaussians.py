"""Class-conditional Gaussians of any set of neurons, in closed form (Torroba Hennigen et al. 2020, section 4).

Their covariances are shrunk as in regularised discriminant analysis (Friedman 1989): those of rare labels towards the
one that all labels share, and that one towards its diagonal.
"""

from __future__ import annotations

from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import Neurons

PRIOR = 100.0
"""Units that the shared covariance counts as in each label's own; the paper leaves out labels of fewer word types."""
TO_DIAGONAL = 0.05
"""How far the shared covariance is shrunk towards its diagonal."""


class Gaussians:
    """A Gaussian of each label over any set of some neurons, whose z-scores in train are held in memory."""

    def __init__(self, train: Split, neurons: Neurons) -> None:
        """`neurons` are all that a set may hold. Raises InputError where there are values instead of labels."""
        train.target.labels_for("a Gaussian per label")
        self.neurons = neurons.unique()
        self._standardisation = tuple(part[self.neurons.to(part.device), None] for part in train.standardisation)
        scores, labels = self.scores(train), train.units.labels.to(train.device)
        self.totals = torch.bincount(labels, minlength=train.n_labels).float()
        self._present = self.totals.nonzero().flatten().tolist()
        own = {label: scores[:, labels == label] for label in self._present}
        self._means = {label: values.mean(1, keepdim=True) for label, values in own.items()}
        self._centred = {label: values - self._means[label] for label, values in own.items()}

    def scores(self, split: Split) -> Float[Tensor, "neuron unit"]:
        """The z-scores of a split, by train's mean and deviation."""
        chosen = self.neurons.to(split.device)
        mean, deviation = self._standardisation
        blocks = [(batch.activations[:, chosen].T - mean) / deviation for batch in split.blocks()]
        return torch.cat(blocks, dim=1)

    @cached_property
    def _log_shares(self) -> Float[Tensor, " label"]:
        return (self.totals / self.totals.sum()).log()

    @torch.no_grad()
    def log_posterior(self, neurons: Neurons, scores: Float[Tensor, "neuron unit"]) -> Float[Tensor, "label unit"]:
        """log p(label | activations) of a set, given in ascending order; −∞ for labels that train lacks."""
        own = torch.searchsorted(self.neurons, neurons).to(scores.device)
        scatter = {label: self._scatter(label, own) for label in self._present}
        shared = torch.stack([*scatter.values()]).sum(0) / self.totals.sum()
        shared = (1 - TO_DIAGONAL) * shared + TO_DIAGONAL * shared.diagonal().diag()
        shared.diagonal().clamp_min_(torch.finfo(torch.float32).eps)  # of constant neurons
        given = scores[own]
        joint = torch.full((len(self.totals), given.shape[1]), -torch.inf, device=scores.device)
        for label in self._present:
            covariance = (scatter[label] + PRIOR * shared) / (self.totals[label] + PRIOR)
            factor = torch.linalg.cholesky(covariance)
            apart = torch.linalg.solve_triangular(factor, given - self._means[label][own], upper=False)
            joint[label] = self._log_shares[label] - factor.diagonal().log().sum() - apart.square().sum(0) / 2
        return joint.log_softmax(0)

    def _scatter(self, label: int, own: Int[Tensor, " chosen"]) -> Float[Tensor, "chosen chosen"]:
        values = self._centred[label][own]
        return values @ values.T
