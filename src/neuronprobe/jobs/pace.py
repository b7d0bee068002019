"""How far a sweep is: how many of its jobs have ended, and how long the others will take."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from neuronprobe.errors import InputError
from neuronprobe.jobs.files import read_results
from neuronprobe.progress import duration

log = logging.getLogger(__name__)

SECONDS = 1.0
"""Between two looks at the folders of jobs that run in other processes."""
STOPPED = ("KeyboardInterrupt", "SystemExit")
"""Errors of a job that was stopped: it goes on, or its sweep ends."""


class Pace:
    """Of `total` jobs, those that have ended, and a line for each: `3 of 12 jobs, about 14 min left`."""

    def __init__(self, total: int) -> None:
        self.total, self.ended = total, 0
        self._ran, self._start = 0, time.perf_counter()

    def passed_over(self, n: int) -> None:
        """So many were finished before."""
        self.ended += n
        self.total = max(self.total, self.ended)

    def went_on(self, n: int = 1) -> None:
        """So many more have run; it is said."""
        self.ended, self._ran = self.ended + n, self._ran + n
        self.total = max(self.total, self.ended)
        left = (self.total - self.ended) * (time.perf_counter() - self._start) / self._ran
        log.info("%d of %d jobs%s", self.ended, self.total, f", about {duration(left)} left" if left else "")


@contextmanager
def watched(jobs: Collection[Path], pace: Pace) -> Iterator[None]:
    """While this lasts, jobs that other processes run are counted by what they leave in their folders."""
    before = {job: _written(job) for job in jobs}
    over, goal = Event(), pace.ended + len(jobs)
    watching = Thread(target=_watch, args=(before, pace, over), daemon=True)
    watching.start()
    try:
        yield
        over.set()
        watching.join()
        if goal > pace.ended:
            pace.went_on(goal - pace.ended)
    finally:
        over.set()


def _watch(before: dict[Path, int], pace: Pace, over: Event) -> None:
    running = dict(before)
    while not over.wait(SECONDS):
        ended = [job for job, written in running.items() if _written(job) != written and _is_over(job)]
        if ended:
            pace.went_on(len(ended))
        running = {job: written for job, written in running.items() if job not in ended}


def _written(job: Path) -> int:
    """When its results were written; 0 if they are not there."""
    try:
        return (job / "results.json").stat().st_mtime_ns
    except OSError:
        return 0


def _is_over(job: Path) -> bool:
    try:
        return not str(read_results(job / "results.json").get("error") or "").startswith(STOPPED)
    except InputError:
        return False
