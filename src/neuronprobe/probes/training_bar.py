"""How much of a bank's training is left, as a bar."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytorch_lightning as pl

from neuronprobe.probes.bank import ProbeBank
from neuronprobe.progress import Advance, bar, counted


class TrainingBar(pl.Callback):
    """From the first batch to the last, however training ends."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._advance: Advance = lambda done: None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin the bar."""
        assert isinstance(pl_module, ProbeBank)
        done, total = pl_module.progress
        self._advance = self._open.enter_context(
            bar(f"training {counted(len(pl_module.members), 'probe')}", total, done)
        )

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Move it."""
        assert isinstance(pl_module, ProbeBank)
        self._advance(pl_module.progress[0])

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End it."""
        self._open.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """End it."""
        self._open.close()
