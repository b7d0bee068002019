"""Losses of a bank: outputs and labels in, one mean per member out; and their derivatives by the outputs."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor, nn

from neuronprobe.targets.curvature import SoftmaxCurvature, SquaredCurvature


class CrossEntropy:
    """Mean over the units of the batch, per member."""

    def __call__(
        self,
        outputs: Float[Tensor, "unit probe label"],
        labels: Int[Tensor, "unit probe"],
        weights: Float[Tensor, "unit probe"] | None = None,
    ) -> Float[Tensor, " probe"]:
        """Losses of all members; `weights` of the units have mean 1 over the whole split, never per batch."""
        losses = nn.functional.cross_entropy(outputs.flatten(0, 1), labels.reshape(-1), reduction="none")
        return _mean(losses.view(labels.shape), weights)

    def residual(
        self, outputs: Float[Tensor, "unit probe label"], labels: Int[Tensor, "unit probe"]
    ) -> Float[Tensor, "unit probe label"]:
        """The gradient of each unit's loss by its outputs: softmax − the label's one."""
        return outputs.softmax(-1) - nn.functional.one_hot(labels, outputs.shape[-1]).to(outputs.dtype)

    def curvature(self, outputs: Float[Tensor, "label unit"]) -> SoftmaxCurvature:
        """Second derivatives of each unit's loss by the outputs of one member."""
        return SoftmaxCurvature(outputs)

    def curvatures(self, outputs: Float[Tensor, "unit probe label"]) -> Float[Tensor, "unit probe"]:
        """Σ p(1 − p) of each unit: how much it counts in a Hessian."""
        return 1 - outputs.softmax(2).square().sum(2)


class SquaredError:
    """Half the mean squared error over the units of the batch, per member; a probe has one output."""

    def __call__(
        self,
        outputs: Float[Tensor, "unit probe 1"],
        labels: Real[Tensor, "unit probe"],
        weights: Float[Tensor, "unit probe"] | None = None,
    ) -> Float[Tensor, " probe"]:
        """Losses of all members; `weights` of the units have mean 1 over the whole split, never per batch."""
        return _mean(self.residual(outputs, labels)[..., 0].square() / 2, weights)

    def residual(
        self, outputs: Float[Tensor, "unit probe 1"], labels: Real[Tensor, "unit probe"]
    ) -> Float[Tensor, "unit probe 1"]:
        """The gradient of each unit's loss by its output: output − value."""
        return outputs - labels[..., None].to(outputs.dtype)

    def curvature(self, outputs: Float[Tensor, "1 unit"]) -> SquaredCurvature:
        """Second derivatives of each unit's loss by the output of one member."""
        return SquaredCurvature(outputs)

    def curvatures(self, outputs: Float[Tensor, "unit probe 1"]) -> Float[Tensor, "unit probe"]:
        """1 for each unit: all count alike in a Hessian."""
        return torch.ones_like(outputs[..., 0])


def _mean(losses: Float[Tensor, "unit probe"], weights: Float[Tensor, "unit probe"] | None) -> Float[Tensor, " probe"]:
    return (losses if weights is None else losses * weights).sum(0) / max(1, len(losses))
