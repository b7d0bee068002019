"""What all study callbacks share: run once when the bank is trained, keep the result, log its numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl

from neuronprobe.callbacks.scalars import scalars, shares
from neuronprobe.errors import InputError
from neuronprobe.neurons import size
from neuronprobe.probes import Fit
from neuronprobe.progress import stage
from neuronprobe.rankings import Rank, rehearse
from neuronprobe.studies import Trained
from neuronprobe.types import Result


class StudyCallback(pl.Callback):
    """A study at the end of training; one process runs it, the others wait. Subclasses call one in `study`.

    `needs` are the names of studies whose results it is handed, `wants` those that it is handed if they are there: they
    run before it, wherever they stand in the configuration.
    """

    name = "study"
    size_setting = "sizes"
    """The setting that `sizes` came from."""
    needs: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.sizes: Sequence[int | float] = ()
        self.result = Result(())
        self.seconds = 0.0

    def study(self, trained: Trained, **results: Result) -> Result:
        """Call one pure study; `results` are those of `needs` and `wants`, by name."""
        raise NotImplementedError("a study callback must say what it studies")

    def check(self, trainer: pl.Trainer) -> None:
        """Refuse what can't work, before the work. Raises InputError."""
        n_neurons = len(trainer.datamodule.split("train").neurons)  # type: ignore[attr-defined]
        for value in self.sizes:
            size(f"callbacks.{self.name}.{self.size_setting}", value, n_neurons)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse sizes beyond the neurons before the work. Raises InputError."""
        self.check(trainer)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Run the study and log what it found."""
        if trainer.is_global_zero:
            start = time.perf_counter()
            studies = _studies(trainer)
            with stage(f"{self.name.replace('_', ' ')} (study {studies.index(self) + 1} of {len(studies)})"):
                self.result = self.run(trainer, pl_module)
            self.seconds = time.perf_counter() - start
            self._log(trainer)
        trainer.strategy.barrier()

    def run(self, trainer: pl.Trainer, bank: Any) -> Result:
        """The study of what the search chose, with the results that it builds on."""
        done = {one.name: one.result for one in _studies(trainer) if one.name in (*self.needs, *self.wants)}
        return self.study(search_of(trainer).trained, **done)

    def _log(self, trainer: pl.Trainer) -> None:
        trained = search_of(trainer).trained
        found = scalars(self.result.rows, trained.primary, shares(self.sizes, len(trained.table)))
        for logger in trainer.loggers:
            logger.log_metrics(found, step=trainer.global_step)


class SearchCallback(StudyCallback):
    """The study that chooses a probe of the grid: what it leaves as `trained` is what the others study."""

    trained: Trained

    def check(self, trainer: pl.Trainer) -> None:
        """Refuse what a ranking can't work with, before anything is trained. Raises InputError."""
        super().check(trainer)
        data = trainer.datamodule  # type: ignore[attr-defined]
        for rank in self.ranks.values():
            rehearse(rank, data.split("train"), data.split("dev"), self.fit, self.fit.seed)

    def begin(self, fit: Fit, ranks: Mapping[str, Rank]) -> None:
        """What the grid is trained with, and the functions that rank; again once what depends on train is known."""
        self.fit, self.ranks = fit, ranks


def _studies(trainer: pl.Trainer) -> list[StudyCallback]:
    return [one for one in trainer.callbacks if isinstance(one, StudyCallback)]  # type: ignore[attr-defined]


def search_of(trainer: pl.Trainer) -> SearchCallback:
    """The study that chose the probe."""
    return next(one for one in _studies(trainer) if isinstance(one, SearchCallback))


def in_order(studies: Mapping[str, StudyCallback]) -> list[StudyCallback]:
    """The studies, each behind those that it builds on.

    Raises InputError where one is there twice, is not there, or needs itself.
    """
    by_name = {study.name: study for study in studies.values()}
    if len(by_name) < len(studies):
        names = [study.name for study in studies.values()]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"callbacks must be different studies, got {twice} more than once; leave one out.")
    found: list[StudyCallback] = []

    def add(study: StudyCallback, behind: tuple[str, ...]) -> None:
        if study in found:
            return
        for name in (*study.needs, *study.wants):
            if name in behind:
                raise InputError(f"callbacks must not need each other in a circle, got {' -> '.join((*behind, name))}.")
            if name in by_name:
                add(by_name[name], (*behind, name))
            elif name in study.needs:
                raise InputError(f"callbacks must hold {name} for {study.name}, got none; add it.")
        found.append(study)

    for study in studies.values():
        add(study, (study.name,))
    return found
