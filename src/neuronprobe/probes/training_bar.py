"""How much of a bank's training is left, as a bar; and said once, where it is long."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from typing import Any

import pytorch_lightning as pl

from neuronprobe.probes.bank import ProbeBank
from neuronprobe.progress import Advance, bar, counted, duration

log = logging.getLogger(__name__)

TRIAL, PART, WORTH_IT = 5.0, 0.05, 60.0
"""After so many seconds of training, and this part of it, it is said how many are left, where these are so many."""


class TrainingBar(pl.Callback):
    """From the first batch to the last, however training ends."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._advance: Advance = lambda done: None
        self._start: float | None = None
        self._before = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin the bar."""
        assert isinstance(pl_module, ProbeBank)
        done, total = pl_module.progress
        self._start, self._before = time.perf_counter(), done
        self._advance = self._open.enter_context(
            bar(f"training {counted(len(pl_module.members), 'probe')}", total, done)
        )

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Move it."""
        assert isinstance(pl_module, ProbeBank)
        done, total = pl_module.progress
        self._advance(done)
        new = done - self._before
        if self._start is None or new <= 0 or new < PART * (total - self._before):
            return
        if (seconds := time.perf_counter() - self._start) < TRIAL:
            return
        self._start, left = None, seconds * (total - done) / new
        if left >= WORTH_IT:
            log.info("training %s: about %s left.", counted(len(pl_module.members), "probe"), duration(left))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End it."""
        self._open.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """End it."""
        self._open.close()
