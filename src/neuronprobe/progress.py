"""What is being done and how much of it is left: a line for each stage, and at a terminal bars, one below the other."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, Any

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

log = logging.getLogger(__name__)

Advance = Callable[[float], None]
"""Says how much is done now."""
_screen: list[Progress] = []
"""The bars that are shown: one display for the process, while there is something to show."""


@contextmanager
def stage(name: str) -> Iterator[None]:
    """A stage of a job: its name on a line of its own, and as a bar around those of its parts."""
    log.info("%s", name)
    with bar(name):
        yield


@contextmanager
def bar(name: str, total: float | None = None, done: float = 0) -> Iterator[Advance]:
    """A bar at a terminal, else nothing; without a total it only says that something goes on."""
    if not _is_shown():
        yield lambda done: None
        return
    with _display() as display:
        task = display.add_task(name, total=total, completed=done)  # type: ignore[arg-type]
        try:
            yield lambda done: display.update(task, completed=done)
        finally:
            display.remove_task(task)


def counted(n: int, thing: str) -> str:
    """`1 probe`, `2,000 probes`."""
    return f"{n:,} {thing}{'s' * (n != 1)}"


def duration(seconds: float) -> str:
    """`20 s`, `14 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def is_first_process(record: logging.LogRecord | None = None) -> bool:
    """Of the processes that train together, the one that speaks; also a filter of log records."""
    ranks = [os.environ[name] for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID") if os.environ.get(name)]
    return not ranks or ranks[0] == "0"


def _is_shown() -> bool:
    """To people, by one process: bars of several would be drawn over each other."""
    is_alone = is_first_process() and multiprocessing.current_process().name == "MainProcess"
    return is_alone and (bool(_screen) or sys.stdout.isatty())


@contextmanager
def _display() -> Iterator[Progress]:
    """The display that is there, or one for as long as this bar."""
    if _screen:
        yield _screen[0]
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), _Left(), transient=True) as display:
        _screen.append(display)
        try:
            yield display
        finally:
            _screen.clear()


class _Left(ProgressColumn):
    """How much is done, of how much, and the seconds that are left; of what has no total, the seconds so far."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(_clock(task.elapsed))
        left = f", {_clock(task.time_remaining)} left" if task.time_remaining is not None else ""
        return Text(f"{task.completed:,.0f}/{task.total:,.0f}{left}")


def _clock(seconds: float | None) -> str:
    return str(timedelta(seconds=int(seconds or 0)))


class ScreenHandler(logging.StreamHandler[Any]):
    """Log lines to whatever stdout is now: while there are bars, above them."""

    def __init__(self, stream: None = None) -> None:
        """`stream` is what Hydra's own console handler has, and nothing here."""
        logging.Handler.__init__(self)
        self.addFilter(is_first_process)

    @property
    def stream(self) -> IO[str]:
        """Where lines go."""
        return sys.stdout


class JobFile(logging.FileHandler):
    """The log of a job, one for all processes that train together."""

    def __init__(self, filename: str, **options: Any) -> None:
        super().__init__(filename, **options, delay=True)
        self.addFilter(is_first_process)
