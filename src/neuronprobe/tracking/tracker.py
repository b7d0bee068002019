"""The seam: what a run tells every logger at its beginning and its end, and what loggers that can do more are told."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from neuronprobe.errors import one_line
from neuronprobe.tracking.about import About
from neuronprobe.tracking.left import Left

log = logging.getLogger(__name__)


@runtime_checkable
class Tracker(Protocol):
    """A logger that shows more of a job than Lightning's own interface: one run for each job."""

    def begin(self, about: About) -> None:
        """Start the run. Raises InputError where that can't be."""

    def show(self, left: Left) -> None:
        """Show what a finished job left."""

    def end(self, is_ok: bool) -> None:
        """Close the run: finished, or failed."""


@contextmanager
def tracked(loggers: Sequence[Logger], about: About) -> Iterator[None]:
    """Runs of all loggers, begun before the work and closed with it, as failed where it raises."""
    try:
        for logger in loggers:
            _begin(logger, about)
        yield
    except BaseException:
        _end(loggers, is_ok=False)
        raise
    _end(loggers, is_ok=True)


@rank_zero_only
def show(loggers: Sequence[Logger], folder: Path, results: Mapping[str, Any]) -> None:
    """Show what a finished job left in its folder. A tracker that fails is said, and takes nothing with it."""
    left = Left(folder, results)
    for logger in loggers:
        with _survived(logger, folder):
            if isinstance(logger, Tracker):
                logger.show(left)
            else:
                logger.log_metrics(left.headline)


@rank_zero_only
def _begin(logger: Logger, about: About) -> None:
    if isinstance(logger, Tracker):
        logger.begin(about)
    else:
        logger.log_hyperparams(dict(about.config))


@rank_zero_only
def _end(loggers: Sequence[Logger], is_ok: bool) -> None:
    for logger in loggers:
        with _survived(logger, logger.save_dir):
            if isinstance(logger, Tracker):
                logger.end(is_ok)
            else:
                logger.finalize("success" if is_ok else "failed")


@contextmanager
def _survived(logger: Logger, folder: Any) -> Iterator[None]:
    """The results are the job's; a tracker is their mirror."""
    try:
        yield
    except Exception as error:
        log.warning("%s did not take all: %s; it is in %s.", type(logger).__name__, one_line(error), folder)
