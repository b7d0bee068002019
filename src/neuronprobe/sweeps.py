"""A sweep: refused before its first job, or all jobs run that are not finished, and what became of them is said."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from neuronprobe.command import Failure
from neuronprobe.errors import InputError, one_line
from neuronprobe.jobs.files import read_results
from neuronprobe.jobs.pace import Pace, watched
from neuronprobe.jobs.sweep import SweepFolder, planned
from neuronprobe.progress import bar
from neuronprobe.report.join import join

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweptJob:
    """How a job of a sweep ended: its folder in the sweep's, what varied, its error if it failed."""

    folder: str
    overrides: tuple[str, ...]
    error: str | None


def refuse_objective(objective: Any, sweeper: DictConfig, words: Sequence[str]) -> None:
    """Raises InputError for a sweep that would optimise what is measured on test, or several numbers at once, or would
    look for the worst.
    """
    if any("property@properties." in word for word in words):
        raise InputError("property must be one in a sweep that optimises, got a list; optimise each in its own sweep.")
    if not str(objective).startswith("dev/"):
        raise InputError(
            f"objective must be on dev in a sweep that optimises, got {objective}; set objective=dev/score."
        )
    direction = str(getattr(sweeper.get("direction"), "name", sweeper.get("direction", "maximize")))
    if direction != "maximize":
        raise InputError(
            f"hydra.sweeper.direction must be maximize for {objective}, got {direction}; take hydra/sweeper=optimise."
        )


def refuse_choices(words: Sequence[str], config: DictConfig, loader: Any) -> None:
    """Compose each choice of each config group once, the others at their first. Raises what Hydra raises."""
    parsed = OverridesParser.create(loader).parse_overrides(list(words))
    choices = {one.key_or_group: _choices(one, loader) for one in parsed}
    if empty := [one.input_line for one in parsed if not choices[one.key_or_group]]:
        raise InputError(f"a sweep must be over at least one value, got {empty[0]}; name some, as in seed=0,1,2.")
    first = {name: found[0] for name, found in choices.items()}
    jobs = [tuple({**first, name: choice}.values()) for name, found in choices.items() for choice in found]
    for job in dict.fromkeys(jobs):
        loader.load_sweep_config(config, list(job))


def count_jobs(words: Sequence[str], loader: Any, n_trials: int | None) -> int:
    """How many jobs a sweep has: its trials, or as many as its settings have combinations."""
    parsed = OverridesParser.create(loader).parse_overrides(list(words))
    swept = {one.key_or_group: one for one in parsed if one.is_discrete_sweep()}
    return n_trials or prod(len(list(one.sweep_string_iterator())) for one in swept.values())


def _choices(override: Override, loader: Any) -> list[str]:
    """The overrides that one stands for; the first alone where it is no config group."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    if not override.is_discrete_sweep():
        return [f"{override.get_key_element()}={override.value().start}"]  # type: ignore[union-attr]
    found = [f"{override.get_key_element()}={text}" for text in override.sweep_string_iterator()]
    return found if loader.get_group_options(override.key_or_group) else found[:1]


def launch(
    launcher: Any, configs: Sequence[DictConfig], overrides: Sequence[Sequence[str]], number: int, pace: Pace,
    sweeping: Any = None,
) -> tuple[list[SweptJob], list[JobReturn]]:  # fmt: skip
    """Run the jobs that are not finished, each in its folder; how all of them ended, and their returns.

    `sweeping` knows when a job ends, where jobs run in this process.
    """
    sweep = SweepFolder(Path(configs[0].hydra.sweep.dir))
    tasks = [_task(config, number + i) for i, config in enumerate(configs)]
    folders = [sweep.folder_of(*task) for task in tasks]
    missing = {
        folder: words for folder, words, (config, _) in zip(folders, overrides, tasks, strict=True)
        if not sweep.is_finished(folder, config)
    }  # fmt: skip
    if len(missing) < len(configs):
        log.info("%d jobs already finished, skipped", len(configs) - len(missing))
    varied = [tuple(filter_overrides(words)) for words in overrides]
    sweep.plan(dict(zip(folders, varied, strict=True)))
    pace.passed_over(len(configs) - len(missing))
    with watched(missing, pace) if sweeping is None else _bar(sweeping, pace):
        found = _run(launcher, sweep, missing, number)
    returns = [found.get(folder) or _as_it_was(folder) for folder in folders]
    jobs = [
        SweptJob(str(folder.relative_to(sweep.path)), words, _error(one))
        for folder, words, one in zip(folders, varied, returns, strict=True)
    ]
    return jobs, returns


@contextmanager
def _bar(sweeping: Any, pace: Pace) -> Iterator[None]:
    """A bar over the jobs of a sweep; where other processes run them, they draw theirs."""
    with bar("jobs of the sweep", pace.total, pace.ended) as advance:

        def ended() -> None:
            pace.went_on()
            advance(pace.ended)

        sweeping.job_ended = ended
        yield


def _task(config: DictConfig, number: int) -> tuple[DictConfig, str]:
    """A job's own settings, and the name of the folder that Hydra would give it."""
    own = config.copy()
    OmegaConf.set_struct(own, False)
    own.hydra.job.num = number
    own.hydra.job.id = number
    subfolder = str(own.hydra.sweep.subdir)
    del own["hydra"]
    return own, subfolder


def _run(launcher: Any, sweep: SweepFolder, jobs: dict[Path, Sequence[str]], number: int) -> dict[Path, JobReturn]:
    """Launch with the folders pinned: in another process Hydra would name them anew."""
    if not jobs:
        return {}
    words = [
        [*own, _pin("sweep.dir", sweep.path), _pin("sweep.subdir", job.relative_to(sweep.path)), _pin("run.dir", job)]
        for job, own in jobs.items()
    ]
    try:
        return dict(zip(jobs, launcher.launch(words, initial_job_idx=number), strict=True))
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"hydra.sweep.dir={sweep.path}") from stop
    except Exception as error:  # a process that was killed takes with it what the others return
        lost = Failure(f"a process of the sweep ended: {one_line(error)}")
        return {job: _as_it_was(job) if sweep.is_done(job) else _returned(lost) for job in jobs}


def _pin(name: str, value: Path) -> str:
    quoted = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"hydra.{name}='{quoted}'"


def _as_it_was(job: Path) -> JobReturn:
    """What a finished job returned; nothing where it is several properties'."""
    return _returned(None if planned(job) else read_results(job / "results.json").get("objective"))


def _returned(value: Any) -> JobReturn:
    found = JobReturn(status=JobStatus.COMPLETED)
    found.return_value = value
    return found


def _error(returned: JobReturn) -> str | None:
    if returned.status == JobStatus.COMPLETED:
        return str(returned.return_value) if isinstance(returned.return_value, Failure) else None
    return one_line(returned._return_value)


def as_failed(returned: JobReturn) -> JobReturn:
    """For a sweeper that optimises: a failure raises, so that it is counted and no number is made of it."""
    if isinstance(returned._return_value, Failure):
        returned.status, returned.return_value = JobStatus.FAILED, InputError(returned._return_value.error)
    return returned


def close(folder: Path, jobs: Sequence[SweptJob]) -> bool:
    """Join the jobs and say how many failed, and which; whether one did."""
    console = Console()
    failed = [job for job in jobs if job.error]
    join([folder], console)
    shared = set.intersection(*(set(job.overrides) for job in jobs))
    names = "; ".join(f"{' '.join([job.folder, *_without(job.overrides, shared)])}: {job.error}" for job in failed)
    counts = [f"{len(jobs) - len(failed)} ok", *([f"{len(failed)} failed: {names}"] if failed else [])]
    line = f"{', '.join(counts)}; python -m neuronprobe.report {shlex.quote(str(folder))}"
    console.print(line, soft_wrap=True, markup=False, highlight=False)
    return bool(failed)


def _without(words: Sequence[str], shared: set[str]) -> list[str]:
    return [word for word in words if word not in shared]
