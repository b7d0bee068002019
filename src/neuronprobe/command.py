"""What the commands share: how a job ends, what is said of it, the exit code. Imports nothing heavy."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from neuronprobe.errors import InputError, one_line
from neuronprobe.processes import refuse_several
from neuronprobe.progress import is_first_process
from neuronprobe.words import for_hydra

WITH_TRACEBACK = os.environ.get("NEURONPROBE_TRACEBACK", os.environ.get("HYDRA_FULL_ERROR")) == "1"
INTERRUPTED = 130
PIPE_CLOSED = 141
SLURM_JOB = "SLURM_JOB_ID"
_received: set[int] = set()
"""The signals that ended this process's work."""
HERE = Path(__file__).parent
CONF = HERE / "conf" if (HERE / "conf").is_dir() else HERE.parents[1] / "conf"
"""The configuration: in the package where a wheel was installed, else at the top of the repository."""
OTHERS = ("hydra.", "omegaconf.", "wandb.", "yaml.")
"""Packages whose errors are about what the user gave."""


@dataclass(frozen=True)
class Failure:
    """What a failed job of a multirun returns: a value, so that it reaches the parent and the other jobs go on."""

    error: str

    def __str__(self) -> str:
        return self.error


Ended = float | Failure | None
"""What a job returns: its objective, or its failure."""


def one_job(task: Callable[[DictConfig, Path], float | None], config: DictConfig) -> Ended:
    """`task` with the job's configuration and folder; its failure is said here, where the traceback is."""
    own = HydraConfig.get()
    _take_signals()
    try:
        refuse_several()  # a launcher's hydra.launcher.tasks_per_node
        with _started_alone(own):
            return task(config, Path(own.runtime.output_dir))
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"hydra.run.dir={own.runtime.output_dir}") from stop
    except Exception as error:
        say(error)
        if own.mode == RunMode.RUN:
            raise SystemExit(1) from error
        return Failure(one_line(error))


def say(error: BaseException) -> None:
    """One line for bad input, with the traceback on request; anything else is a defect and keeps its traceback."""
    raised_in = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)][-1:]
    modules = [type(error).__module__, *raised_in]
    is_input = isinstance(error, InputError) or any(module.startswith(OTHERS) for module in modules)
    if WITH_TRACEBACK or not is_input:
        traceback.print_exception(error)
    print(f"error: {_broken(error) or _absent(str(error)) or _null(str(error)) or one_line(error)}", file=sys.stderr)


def _broken(error: BaseException) -> str:
    """What a YAML lacks that can't be read; else empty."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ""
    return f"{mark.name} must be YAML, got {error.problem} in line {mark.line + 1}."  # type: ignore[attr-defined]


def _null(text: str) -> str:
    """What to write in place of GROUP=null; else empty."""
    if "group override must be a string or a list" not in text:
        return ""
    return (
        "a config group must have a choice, got null; take none where there is one (logger=none), or leave it: ~GROUP."
    )


def _absent(text: str) -> str:
    """What to install where Hydra finds no launcher or sweeper of a plug-in; else empty."""
    found = re.search(r"'hydra/(launcher|sweeper)/((joblib|submitit|optuna|ray)\w*)'", text)
    if found is None:
        return ""
    group, name, extra = found.groups()
    return f"hydra/{group} must be installed, got {name}, which is not; pip install 'neuronprobe[{extra}]'."


def main(job: Callable[[], Any]) -> int:
    """0 when all jobs went well, 1 for a failed job, 2 for an override that does not fit, 130 after Ctrl-C."""
    os.environ["NEURONPROBE_ID"] = secrets.token_hex(3)  # of this run or sweep; other processes of it inherit it
    os.environ["NEURONPROBE_TRACEBACK"] = str(int(WITH_TRACEBACK))  # what was asked for, in all processes
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on instead of printing them
    _take_signals()
    try:
        sys.argv[1:] = for_hydra(sys.argv[1:])
        job()
    except BrokenPipeError:
        raise
    except KeyboardInterrupt as stop:
        where = "".join(f" with {words}" for words in stop.args)
        print(f"interrupted: activations and finished epochs are kept; repeat the command{where}.", file=sys.stderr)
        _queue_again()
        return INTERRUPTED
    except Exception as error:
        say(_unwritable(error) or error)
        return 2
    return 0


def ended(run: Callable[[], int]) -> int:
    """The exit code of `run`; 2 where a file can't be written, 141 where nobody reads on, as other commands have it
    (`--help | head`).
    """
    try:
        code = run()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is written at the exit
        return PIPE_CLOSED
    except OSError as error:
        if error.filename is None or WITH_TRACEBACK:
            raise
        print(f"error: {error.filename} must be a file in a folder that can be written, got {error.strerror}; "
              "choose another folder.", file=sys.stderr)  # fmt: skip
        return 2
    return code


def _unwritable(error: Exception) -> InputError | None:
    """What Hydra meets where it can't make a job's folder."""
    if not isinstance(error, OSError) or error.filename is None:
        return None
    return InputError(
        f"hydra.run.dir (of a sweep hydra.sweep.dir) must be a folder that can be written, got {error.filename}: "
        f"{error.strerror}; choose another."
    )


def _take_signals() -> None:
    """SIGTERM, a cluster's preemption, is Ctrl-C, and so is what Slurm announces the end of a job's time with
    (sbatch --signal=USR1@120); a launcher that handles them itself is left to.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, *([signal.SIGUSR1] if SLURM_JOB in os.environ else [])):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _: Any) -> None:
    _received.add(number)
    raise KeyboardInterrupt


def _queue_again() -> None:
    """Where Slurm announced the end of the job's time: it is queued again, and the same command goes on."""
    if signal.SIGUSR1 not in _received or not is_first_process():
        return
    own = (os.environ.get(name) for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"))
    job = "_".join(filter(None, own)) or os.environ[SLURM_JOB]
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, text=True)
        print(f"queued again: job {job}.", file=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        why = str(getattr(error, "stderr", "") or error).strip()
        print(f"not queued again: scontrol requeue {job} says {why}", file=sys.stderr)


@contextmanager
def _started_alone(own: Any) -> Iterator[None]:
    """Lightning starts the other processes of a job by repeating the command: in a multirun, this job's alone."""
    before = sys.argv
    if own.mode == RunMode.MULTIRUN:
        options = [word for word in before[1:] if word.startswith("-") or not ("=" in word or word.startswith("~"))]
        kept = [word for word in options if word not in ("-m", "--multirun")]
        sys.argv = [before[0], *kept, *own.overrides.task, "hydra.mode=RUN"]
    try:
        yield
    finally:
        sys.argv = before
