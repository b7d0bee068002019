"""The target of a property: all that a bank and its studies need to know of what is predicted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Real
from torch import Tensor

from neuronprobe.targets.curvature import Curvature
from neuronprobe.types import Units

Either = TypeVar("Either")


@runtime_checkable
class Loss(Protocol):
    """A mean over units for each member, and its derivatives by the outputs."""

    def __call__(
        self,
        outputs: Float[Tensor, "unit probe output"],
        labels: Real[Tensor, "unit probe"],
        weights: Float[Tensor, "unit probe"] | None = None,
    ) -> Float[Tensor, " probe"]:
        """Losses of all members; `weights` of the units have mean 1 over the whole split."""
        ...

    def residual(
        self, outputs: Float[Tensor, "unit probe output"], labels: Real[Tensor, "unit probe"]
    ) -> Float[Tensor, "unit probe output"]:
        """The gradient of each unit's loss by its outputs."""
        ...

    def curvature(self, outputs: Float[Tensor, "output unit"]) -> Curvature:
        """Second derivatives of each unit's loss by the outputs of one member."""
        ...

    def curvatures(self, outputs: Float[Tensor, "unit probe output"]) -> Float[Tensor, "unit probe"]:
        """How much each unit counts in a member's Hessian: the sum of the diagonal."""
        ...


@runtime_checkable
class Target(Protocol):
    """`Labels` or `Values`; `names` are those of a probe's outputs, as many as it has rows of weights.

    `labels` of units are what `encode` makes of them: label indices, or values standardised on train.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Of the outputs."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """What probes can be compared by, the customary one first."""
        ...

    @property
    def more_metrics(self) -> tuple[str, ...]:
        """What the oracle and the baselines are scored by beside."""
        ...

    @property
    def denominator(self) -> str:
        """What the denominators of the first metric are called."""
        ...

    @property
    def constant(self) -> str:
        """What the baseline is called that is the same for all units."""
        ...

    @property
    def predicts(self) -> torch.dtype:
        """The type of what probes predict."""
        ...

    @property
    def loss(self) -> Loss:
        """What is learned."""
        ...

    def __len__(self) -> int:
        """How many outputs a probe has."""
        ...

    def metric(self, asked: str) -> str:
        """The metric that was asked for, of auto the first. Raises InputError for another target's."""
        ...

    def labels_for(self, what: str) -> None:
        """Nothing where there are labels. Raises InputError for `what` makes no sense without them."""
        ...

    def either(self, of_labels: Either, of_values: Either) -> Either:
        """One of two: for what has a formula of its own for labels and for values."""
        ...

    def saved(self) -> dict[str, Any]:
        """Plain data: the names as `labels`, and what `restored` needs beside them."""
        ...

    def encode(self, labels: Real[Tensor, " unit"], names: Sequence[str]) -> Real[Tensor, " unit"]:
        """The labels of any split as banks take them, from what its units were collected as."""
        ...

    def unknown(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those names that train lacks: `encode` makes UNKNOWN of the first, UNKNOWN − 1 of the second."""
        ...

    def composition(self, units: Units) -> Mapping[str, float]:
        """What is to be said of the units of a split."""
        ...

    def support(self, units: Units) -> list[int]:
        """How many units each output has."""
        ...

    def totals(self, labels: Real[Tensor, " unit"], weights: Float[Tensor, " unit"] | None) -> Float[Tensor, " output"]:
        """The weight of the units that each output has."""
        ...

    def level(self, labels: Real[Tensor, " unit"], weights: Float[Tensor, " unit"] | None) -> Float[Tensor, " output"]:
        """What is predicted at the optimum where all weights are zero."""
        ...

    def start(self, level: Float[Tensor, " output"]) -> Float[Tensor, " output"]:
        """The bias that predicts it."""
        ...

    def rest(self, level: Float[Tensor, " output"], labels: Real[Tensor, " unit"]) -> Float[Tensor, "unit output"]:
        """The loss's residual there: λ1_max is its largest mean product with a neuron."""
        ...

    def balanced(self, labels: Real[Tensor, " unit"], weights: Float[Tensor, " unit"]) -> Float[Tensor, " unit"]:
        """Weights that give all labels the same total. Raises InputError where there are no labels."""
        ...

    def baselines(self, train: Units, units: Units) -> Mapping[str, Real[Tensor, " unit"]]:
        """What train alone predicts for the units, without any neuron: for all the same, and by type."""
        ...

    def constant_outputs(self, labels: Real[Tensor, " unit"]) -> Float[Tensor, " output"]:
        """Outputs that predict the constant baseline."""
        ...

    def control(self, units: Units, train: Units, seed: int) -> Real[Tensor, " unit"]:
        """One draw of the control task: a label for each type, as train has them."""
        ...

    def predicted(
        self, products: Float[Tensor, "probe output unit"], bias: Float[Tensor, "probe output 1"]
    ) -> Real[Tensor, "probe unit"]:
        """What outputs say, of their parts."""
        ...

    def bank_score(self, n_probes: int, n_sentences: int, keep: bool = False) -> Any:
        """An empty `BankScore`; with `keep` every metric has its parts per sentence."""
        ...

    def keeps(self, metric: str) -> bool:
        """Whether a metric needs what was predicted for its parts per sentence."""
        ...
