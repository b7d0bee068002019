"""A callback: any of Lightning's; this one writes down how long each epoch took."""

from __future__ import annotations

import time
from pathlib import Path

import pytorch_lightning as pl


class Clock(pl.Callback):
    """Seconds of each epoch, one a line."""

    def __init__(self, folder: str) -> None:
        """`folder` is that of the job."""
        self.file, self.start = Path(folder) / "epochs.txt", 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add a line."""
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(f"{time.perf_counter() - self.start:.3f}\n")
