"""`fit`: the one training path. The job's bank and every study's bank are trained by a Lightning Trainer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from neuronprobe.activations import BatchStream, Split
from neuronprobe.errors import InputError, number, whole_number
from neuronprobe.probes.bank import Member, ProbeBank
from neuronprobe.probes.probe import Probe

log = logging.getLogger(__name__)

FEWEST_STEPS = 400
"""With fewer optimizer steps no λ binds and a ranking says little (measured on UD English EWT)."""
MOST_WEIGHTS = 100_000_000
"""Weights of one bank in memory (with gradients and Adam's moments 1.6 GB); a larger one is trained in parts."""


class Fit:
    """How probes are trained: solver `adam` (penalty in the loss, the papers' way; no exact zeros)."""

    solver = "adam"

    def __init__(
        self,
        l1: float | Sequence[float],
        l2: float | Sequence[float],
        epochs: int = 10,
        batch_size: int = 512,
        lr: float = 1e-3,
        seed: int = 0,
        accelerator: str = "cpu",
        precision: str = "32-true",
    ) -> None:
        """`l1`, `l2`: λ1 and λ2 beside the mean cross-entropy, numbers or lists; the grid is their product."""
        self.l1, self.l2 = _lambdas("probe.l1", l1), _lambdas("probe.l2", l2)
        self.epochs = whole_number("probe.epochs", epochs, 1)
        self.batch_size = whole_number("probe.batch_size", batch_size, 1)
        self.lr = number("probe.lr", lr, 1e-9, 1e3)
        self.seed = whole_number("seed", seed, 0, 2**32 - 1)
        self._machine = {"accelerator": accelerator, "precision": precision}

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the weights of the λ grid, as plain data."""
        names = ("solver", "l1", "l2", "epochs", "batch_size", "lr", "seed")
        return {name: getattr(self, name) for name in names} | self._machine

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """The (λ1, λ2) that λ search may choose."""
        return sorted(set(product(self.l1, self.l2)))

    def grid(self) -> list[Member]:
        """A member for each pair, and for (0, 0): the score S of λ search needs the unregularised probe."""
        return [Member(l1, l2, self.seed) for l1, l2 in sorted({(0.0, 0.0), *self.pairs})]

    def bank(self, members: Sequence[Member], train: Split, dev: Split | None = None) -> ProbeBank:
        """An untrained bank over the neurons and labels of a split."""
        n_sentences = dev.units.n_sentences if dev is not None else 0
        return ProbeBank(members, len(train.neurons), train.n_labels, self.lr, n_sentences)

    def steps(self, train: Split) -> int:
        """Optimizer steps of one fit."""
        return self.epochs * len(BatchStream(train, self.batch_size))

    def warn_if_short(self, train: Split) -> None:
        """Say so when λ can't bind."""
        if self.steps(train) < FEWEST_STEPS:
            log.warning(
                "probe training takes %d optimizer steps, fewer than %d: λ hardly binds and the ranking says little; "
                "lower probe.batch_size or raise probe.epochs.",
                self.steps(train),
                FEWEST_STEPS,
            )

    def __call__(self, members: Sequence[Member], train: Split) -> list[Probe]:
        """Train a study's bank with a fresh, quiet, single-device Trainer; the probes in the order of the members."""
        probes: list[Probe] = []
        for part in _parts(members, len(train.neurons), train.n_labels):
            bank = self.bank(part, train)
            quiet_trainer(self.epochs, **self._machine).fit(
                bank, datamodule=_TrainOnly(train, self.batch_size, self.seed)
            )
            probes += bank.probes()
        return probes


class _TrainOnly(pl.LightningDataModule):
    """The training batches of a study's bank."""

    def __init__(self, train: Split, batch_size: int, seed: int) -> None:
        super().__init__()
        self._train, self._batch_size, self._seed = train, batch_size, seed

    def train_dataloader(self) -> DataLoader[Any]:
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        return DataLoader(BatchStream(self._train, self._batch_size, self._seed, epoch), batch_size=None)


def quiet_trainer(epochs: int, **options: Any) -> pl.Trainer:
    """A Trainer that logs, saves and prints nothing."""
    return pl.Trainer(
        max_epochs=epochs,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        **options,
    )


def _lambdas(name: str, value: float | Sequence[float]) -> list[float]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise InputError(f"{name} must be a number or a list of at least one, got [].")
    return [number(name, v, low=0.0) for v in values]


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
