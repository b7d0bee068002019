"""Ridge regression of the labels' indicators (of values: of the value) on any set of neurons, in closed form.

All sets are solved from one matrix of second moments, so that hundreds of them cost less than one probe's training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import Neurons
from neuronprobe.probes.probe import Probe


@dataclass(frozen=True)
class Products:
    """Mean products of z-scores over train: of `neurons` (flat indices, ascending) with each other, and with the
    outputs that are to be predicted, each less its mean `level`.
    """

    neurons: Neurons
    each: Float[Tensor, "neuron neuron"]
    outputs: Float[Tensor, "neuron output"]
    level: Float[Tensor, " output"]
    mean: Float[Tensor, " neuron"]
    deviation: Float[Tensor, " neuron"]

    def ridge(self, neurons: Neurons, l2: float) -> Probe:
        """The probe of least mean squared error + λ2‖θ‖² on z-scores of a set, given in ascending order.

        The label of the largest output is predicted. A constant neuron has weight 0.
        """
        own = torch.searchsorted(self.neurons, neurons)
        squares = self.each[own][:, own].double()
        squares.diagonal().add_(l2)
        factor = torch.linalg.cholesky(squares)
        found = torch.cholesky_solve(self.outputs[own].double(), factor) / self.deviation[own, None].double()
        bias = self.level.double() - self.mean[own].double() @ found
        return Probe(found.T.float().contiguous(), bias.float(), neurons, l2=l2)


@torch.no_grad()
def products(train: Split, neurons: Neurons) -> Products:
    """Of these neurons, in one pass over train, in float32."""
    neurons = neurons.unique()
    mean, deviation = (part[neurons.to(part.device)] for part in train.standardisation)
    wanted, chosen = _outputs(train).to(train.device), neurons.to(train.device)
    level = wanted.mean(0)
    each = torch.zeros(len(neurons), len(neurons), device=train.device)
    outputs = torch.zeros(len(neurons), wanted.shape[1], device=train.device)
    for batch in train.blocks():
        scores = ((batch.activations[:, chosen] - mean) / deviation).T
        each.addmm_(scores, scores.T)
        outputs.addmm_(scores, wanted[batch.positions] - level)
    parts = (each / len(train), outputs / len(train), level, mean, deviation)
    return Products(neurons, *(part.cpu() for part in parts))


def _outputs(train: Split) -> Float[Tensor, "unit output"]:
    labels = train.units.labels
    if train.n_labels == 1:
        return labels.float()[:, None]
    return torch.nn.functional.one_hot(labels, train.n_labels).float()
