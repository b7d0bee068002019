"""`fit`: the one training path. The job's bank and every study's bank are trained by a Lightning Trainer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import asdict, replace
from itertools import product
from typing import Any, Self

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch.utils.data import DataLoader

from neuronprobe.activations import BatchStream, Split
from neuronprobe.errors import InputError, choice, number, whole_number
from neuronprobe.probes.bank import Member, ProbeBank
from neuronprobe.probes.optimality import optimality
from neuronprobe.probes.probe import Probe
from neuronprobe.probes.solvers.adam import Adam
from neuronprobe.probes.solvers.proximal import Proximal
from neuronprobe.probes.training_bar import TrainingBar
from neuronprobe.quiet import quiet

log = logging.getLogger(__name__)

FEWEST_STEPS = 400
"""With fewer optimizer steps no λ binds and a ranking says little (measured on UD English EWT)."""
AUTO = "auto"
LARGEST_BATCH = 512
"""The papers' batch size (EMNLP 2020 section 4)."""
MOST_WEIGHTS = 100_000_000
"""Weights of one bank in memory (with gradients and Adam's moments 1.6 GB); a larger one is trained in parts."""
SOLVERS = {"adam": Adam, "proximal": Proximal}
"""The solvers of mini-batches."""


class Fit:
    """How probes are trained from shuffled batches.

    Solver `adam` has the penalty in the loss (the papers' way; no exact zeros); `proximal` shrinks weights by λ1 after
    each optimizer step (exact zeros). Objective `neurox` takes the un-squared norm for λ2, as that library does.
    """

    def __init__(
        self,
        l1: float | Sequence[float],
        l2: float | Sequence[float],
        epochs: int = 10,
        batch_size: int | str = 512,
        lr: float = 1e-3,
        seed: int = 0,
        solver: str = "adam",
        optimizer: str | None = None,
        objective: str = "papers",
        shuffle: bool = True,
        standardise: str = "none",
        class_weights: str = "none",
        scale_weights: bool = False,
        accelerator: str = "cpu",
        precision: str = "32-true",
    ) -> None:
        """`l1`, `l2`: λ1 and λ2 beside the mean cross-entropy, numbers or lists; the grid is their product.

        `batch_size` auto is the largest power of two up to 512 that gives at least 400 steps, once train is known.
        `standardise` zscore trains on z-scores by train's mean and deviation; `class_weights` balanced gives every
        label the same total weight in the loss; `scale_weights`: rankings read |w| times the deviation of its neuron.
        """
        self.l1, self.l2 = _lambdas("probe.l1", l1), _lambdas("probe.l2", l2)
        self.epochs = whole_number("probe.epochs", epochs, 1)
        self.batch_size: Any = AUTO if batch_size == AUTO else whole_number("probe.batch_size", batch_size, 1)
        self.seed = whole_number("seed", seed, 0, 2**32 - 1)
        self.solver = choice("probe.solver", solver, SOLVERS)
        self.standardise = choice("probe.standardise", standardise, ("none", "zscore"))
        self.class_weights = choice("probe.class_weights", class_weights, ("none", "balanced"))
        for name, value in (("shuffle", shuffle), ("scale_weights", scale_weights)):
            if not isinstance(value, bool):
                raise InputError(f"probe.{name} must be true or false, got {value!r}.")
        self.scale_weights = scale_weights
        self.order_seed = self.seed if shuffle else None
        kind = SOLVERS[solver]
        self._solver = kind(
            choice(f"probe.optimizer of solver {solver}", optimizer or kind.optimizers[0], kind.optimizers),
            number("probe.lr", lr, 1e-9, 1e3),
            choice("probe.objective", objective, ("papers", "neurox")) == "papers",
        )
        precisions = ("32-true", "64-true", "bf16-mixed")
        self._machine = {
            "accelerator": accelerator,
            "precision": choice("trainer.precision", str(precision), precisions),
        }
        self._trainer: dict[str, Any] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the weights of the λ grid, as plain data."""
        names = ("solver", "l1", "l2", "epochs", "batch_size", "seed", "order_seed", "standardise", "class_weights")
        return {name: getattr(self, name) for name in names} | asdict(self._solver) | self._machine

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """The (λ1, λ2) that λ search may choose."""
        return sorted(set(product(self.l1, self.l2)))

    def grid(self) -> list[Member]:
        """A member for each pair, and for (0, 0): the score S of λ search needs the unregularised probe."""
        return [Member(l1, l2, self.seed) for l1, l2 in sorted({(0.0, 0.0), *self.pairs})]

    def with_seed(self, seed: int) -> Self:
        """The same fit with another data order (the corpus's, where nothing is shuffled); it trains other banks."""
        other = copy(self)
        other.seed, other.order_seed = seed, None if self.order_seed is None else seed
        return other

    def for_scores(self, l1: float) -> Self:
        """The fit of probes with this λ1 of which nothing but scores is read: this one, or one that stops earlier."""
        return self

    def bank(
        self, members: Sequence[Member], train: Split, dev: Split | None = None, metric: str = "auto"
    ) -> ProbeBank:
        """An untrained bank over the neurons and labels of a split; what it reaches on dev is told by `metric`."""
        units = dev.units if dev is not None else None
        standardisation = train.standardisation if self.standardise == "zscore" else None
        members = self._weighted(members, train)
        return ProbeBank(members, len(train.neurons), train.target, self._solver, units, standardisation, metric)

    def parts(self, members: Sequence[Member], train: Split) -> list[list[Member]]:
        """The members in the banks that fit in memory; it is said where one bank would not."""
        parts = list(_parts(members, len(train.neurons), train.n_labels))
        if len(parts) > 1:
            log.info("%d probes would not fit in memory as one bank: trained as %d banks.", len(members), len(parts))
        return parts

    def steps(self, train: Split) -> int | None:
        """Optimizer steps of one fit; None where λ binds however few there are."""
        return self.epochs * len(BatchStream(train, self.batch_size))

    @property
    def reference(self) -> tuple[float, float]:
        """The (λ1, λ2) of the probe that stands for the unregularised one in λ search's score."""
        return (0.0, 0.0)

    def related(self, train: Split, recommended: int | None = None) -> Self:
        """The same fit with what depends on train: the batch size where it is auto, λ where they are shares.

        `recommended` is the corpus's own batch size.
        """
        if self.batch_size != AUTO:
            return self
        other = copy(self)
        other.batch_size = recommended or _batch_size(len(train), self.epochs)
        return other

    def with_trainer(self, **options: Any) -> Self:
        """The same fit whose studies' banks are trained with these Trainer options, like the job's own bank."""
        other = copy(self)
        other._trainer = options | self._trainer
        return other

    def warn_if_short(self, train: Split) -> None:
        """Say so when λ can't bind."""
        steps = self.steps(train)
        if steps is not None and steps < FEWEST_STEPS:
            log.warning(
                "probe training takes %d optimizer steps, fewer than %d: λ hardly binds and the ranking says little; "
                "lower probe.batch_size or raise probe.epochs.",
                steps,
                FEWEST_STEPS,
            )

    def __call__(self, members: Sequence[Member], train: Split) -> list[Probe]:
        """Train a study's bank with a fresh, quiet, single-device Trainer; the probes in the order of the members."""
        probes: list[Probe] = []
        for part in self.parts(members, train):
            bank = self.bank(part, train)
            quiet_trainer(self.epochs, **{**self._machine, **self._trainer}).fit(
                bank, datamodule=_TrainOnly(train, self.batch_size, self.order_seed)
            )
            probes += self.trained(bank, train)
        return probes

    def trained(self, bank: ProbeBank, train: Split) -> list[Probe]:
        """The probes of a trained bank with how far each came."""
        found = zip(bank.probes(), optimality(bank, train), strict=True)
        probes = [replace(probe, optimality=reached) for probe, reached in found]
        return [_scaled(probe, train) for probe in probes] if self.scale_weights else probes

    def _weighted(self, members: Sequence[Member], train: Split) -> list[Member]:
        """With the class weights in the weights of their units."""
        return [_balanced(m, train) for m in members] if self.class_weights == "balanced" else list(members)


class _TrainOnly(pl.LightningDataModule):
    """The training batches of a study's bank."""

    def __init__(self, train: Split, batch_size: int, seed: int | None) -> None:
        super().__init__()
        self._train, self._batch_size, self._seed = train, batch_size, seed

    def train_dataloader(self) -> DataLoader[Any]:
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        return DataLoader(BatchStream(self._train, self._batch_size, self._seed, epoch), batch_size=None)


def quiet_trainer(epochs: int, **options: Any) -> pl.Trainer:
    """A Trainer that logs, saves and prints nothing but its bar."""
    quiet()
    none = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    fixed = {"max_epochs": epochs, "devices": 1, "num_sanity_val_steps": 0, "callbacks": [TrainingBar()], **none}
    fixed["plugins"] = [LightningEnvironment()]  # also in a Slurm job: the processes are its own
    return pl.Trainer(**{"reload_dataloaders_every_n_epochs": 1, **options, **fixed})


def _batch_size(n_units: int, epochs: int) -> int:
    """The largest power of two up to 512 with which λ binds; 1 where none does."""
    size = LARGEST_BATCH
    while size > 1 and epochs * -(-n_units // size) < FEWEST_STEPS:
        size //= 2
    return size


def _lambdas(name: str, value: float | Sequence[float]) -> list[float]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise InputError(f"{name} must be a number or a list of at least one, got [].")
    return [number(name, v, low=0.0) for v in values]


def _scaled(probe: Probe, train: Split) -> Probe:
    """The probe whose weights are read as if its neurons had been z-scores."""
    deviation = train.standardisation.deviation.cpu()
    return replace(probe, deviation=deviation if probe.neurons is None else deviation[probe.neurons])


def _balanced(member: Member, train: Split) -> Member:
    """The member with weights that give each of its labels the same total, mean 1 over train."""
    labels = train.units.labels if member.labels is None else member.labels
    own = torch.ones(len(labels)) if member.weights is None else member.weights
    return replace(member, weights=train.target.balanced(labels, own))


def _parts(members: Sequence[Member], n_neurons: int, n_labels: int) -> Iterator[list[Member]]:
    """Consecutive members whose weights fit in memory together."""
    part: list[Member] = []
    weights = 0
    for member in members:
        share = n_labels * (n_neurons if member.neurons is None else len(member.neurons))
        if part and weights + share > MOST_WEIGHTS:
            yield part
            part, weights = [], 0
        part.append(member)
        weights += share
    if part:
        yield part
