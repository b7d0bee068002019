"""What all study callbacks share: run once when the bank is trained, keep the result, log its numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeVar

import pytorch_lightning as pl

from neuronprobe.errors import InputError
from neuronprobe.neurons import size
from neuronprobe.types import Result, Row

Other = TypeVar("Other", bound="StudyCallback")


class StudyCallback(pl.Callback):
    """A study at the end of training; one process runs it, the others wait. Subclasses say which in `study`."""

    name = "study"
    size_setting = "sizes"
    """The setting that `sizes` came from."""
    needs: tuple[type[StudyCallback], ...] = ()
    """Studies that must have run before this one."""

    def __init__(self) -> None:
        self.sizes: Sequence[int | float] = ()
        self.result = Result(())
        self.seconds = 0.0

    def study(self, trainer: pl.Trainer, bank: Any) -> Result:
        """Call one pure study on the trained bank."""
        raise NotImplementedError("a study callback must say what it studies")

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse sizes beyond the neurons, and studies in the wrong order, before the work. Raises InputError."""
        before = trainer.callbacks[: trainer.callbacks.index(self)]  # type: ignore[attr-defined]
        for kind in self.needs:
            if not any(isinstance(callback, kind) for callback in before):
                raise InputError(f"callbacks must hold {kind.__name__} before {type(self).__name__}, got none; add it.")
        n_neurons = len(trainer.datamodule.split("train").neurons)  # type: ignore[attr-defined]
        for value in self.sizes:
            size(f"callbacks.{self.name}.{self.size_setting}", value, n_neurons)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Run the study and log what it found."""
        if trainer.is_global_zero:
            start = time.perf_counter()
            self.result = self.study(trainer, pl_module)
            self.seconds = time.perf_counter() - start
            for logger in trainer.loggers:
                logger.log_metrics(_scalars(self.result.rows), step=trainer.global_step)
        trainer.strategy.barrier()


def earlier(trainer: pl.Trainer, kind: type[Other]) -> Other:
    """The callback of a kind that ran before, one of those that a study `needs`."""
    return next(callback for callback in trainer.callbacks if isinstance(callback, kind))  # type: ignore[attr-defined]


def _scalars(rows: tuple[Row, ...]) -> dict[str, float]:
    """Test accuracies of the chosen probe's sets, areas and selectivities, by a readable name."""
    found = {}
    for row in rows:
        is_headline = row.split == "test" and row.draw is None and row.study != "lambda_search"
        is_shown = (
            "accuracy" in row.metric
            or "macro_f1" in row.metric
            or row.metric in ("area", "area_difference", "selectivity")
        )
        if is_headline and is_shown and row.value is not None:
            fill, against = row.flags.get("fill"), row.flags.get("against")
            parts = (row.split, row.study, row.set, fill, row.site, row.layer, row.k, row.metric, against)
            found["/".join(str(part) for part in parts if part is not None)] = row.value
    return found
