"""The run itself: one Hydra job, Linguistic Correlation Analysis once."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import SIGTERMException
from rich.console import Console

from neuronprobe.activations import ActivationsDataModule, Split
from neuronprobe.build import Job, build, debugging
from neuronprobe.errors import InputError, choice, whole_number
from neuronprobe.jobs import open_job
from neuronprobe.jobs.files import assemble, versions, write_files, write_predictions, write_results
from neuronprobe.jobs.read import files_read
from neuronprobe.probes import Fit, ProbeBank, save_probe
from neuronprobe.probes.fit import FEWEST_STEPS
from neuronprobe.progress import bar, counted
from neuronprobe.quiet import quiet
from neuronprobe.report.page import write_report
from neuronprobe.report.summary import print_summary, print_table
from neuronprobe.report.verdict import judge
from neuronprobe.resume import checkpoint_callback, clear_checkpoints, keep_curves, last_checkpoint
from neuronprobe.shown import Table
from neuronprobe.studies import baselines, corpus_summary, vocabulary
from neuronprobe.studies.baselines import corpus_table
from neuronprobe.targets import Target
from neuronprobe.tracking import about, show, tracked
from neuronprobe.types import Result, Row

log = logging.getLogger(__name__)

OF_PROCESSES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
"""What Lightning says of a job's processes to those that it starts, and keeps."""
OUTPUTS = (
    "results.json", "ranking*.csv", "predictions.npz", "probe.safetensors", "portraits.json",
    "report.md", "report.html", "predicted.npz",
)  # fmt: skip


def run(config: DictConfig, folder: Path, data: ActivationsDataModule | None = None) -> float | None:
    """Read, extract, train, study, write; the job's objective, of the process that writes.

    `data` is there already where several properties share it. A job that fails leaves `results.json` with its error,
    then raises.
    """
    seconds: dict[str, float] = {}
    plain = OmegaConf.to_container(config, resolve=False)
    config = OmegaConf.merge(config, {"folder": str(folder)})  # type: ignore[assignment]
    try:
        with _pages_kept(), _own_processes():
            return _run(config, folder, plain, seconds, data)
    except BaseException as error:
        rank_zero_only(write_results)(
            folder, assemble("failed", plain, seconds=seconds, error=f"{type(error).__name__}: {error}")
        )
        raise


def _run(
    config: DictConfig, folder: Path, plain: Any, seconds: dict[str, float], data: ActivationsDataModule | None
) -> float | None:
    quiet()
    pl.seed_everything(whole_number("seed", config.seed, 0, 2**32 - 1), verbose=False)
    job = build(config, [checkpoint_callback(folder)], data)
    files = files_read(config)
    rank_zero_only(keep_curves)(folder)
    who = about(config, job.data.model.title, job.data.prop.name, next(iter(job.ranks)))
    with tracked(job.trainer.loggers, who):  # a key or a network that fails is said now, not after the extraction
        return _work(job, folder, plain, seconds, files)


def _work(job: Job, folder: Path, plain: Any, seconds: dict[str, float], files: Any) -> float | None:
    console = Console()
    for path in [path for pattern in OUTPUTS for path in folder.glob(pattern)]:
        path.unlink(missing_ok=True)  # of an earlier run in this folder
    with _clock(seconds, "corpus"), bar("reading the corpus"):
        plain["metric"] = job.data.target.metric(str(plain["metric"]))
        if job.fit.class_weights == "balanced":
            job.data.target.labels_for("probe.class_weights=balanced")
        _say_aggregation(job, plain)
        _refuse_objective(plain["objective"], job.data.target)
        rows = _corpus_rows(job)
    rank_zero_only(print_table)(console, _corpus_table(job, rows))
    with _clock(seconds, "activations"):
        job.data.prepare_data()
        job.data.setup()
    if any(found["words_dropped"] for found in job.data.counts.values()):
        rows = _corpus_rows(job)  # without the words that were dropped
    rows += _dropped_rows(job)
    train, dev = job.data.split("train"), job.data.split("dev")
    fit = job.fit.related(train, getattr(job.data.corpus, "batch_size", None))
    fit.warn_if_short(train)
    job.data.train_in(fit.batch_size, fit.order_seed)
    job.search.begin(fit, job.ranks)
    bank = fit.bank(fit.parts(fit.grid(), train)[0], train, dev, plain["metric"])
    log.info("training %s", counted(len(bank.members), "probe"))
    with _clock(seconds, "training"):
        _train(job, fit, bank, folder, plain["trainer"])
    rows += _steps_taken(job, fit, train)
    for study in job.studies:
        rows += study.result.rows
        seconds[study.name] = round(study.seconds, 3)
        seconds["training"] = round(seconds["training"] - study.seconds, 3)
    if not job.trainer.is_global_zero:
        return None
    reached = _objective(rows, plain["objective"], plain["metric"])
    _write(job, folder, plain, rows, seconds, console, reached, files)
    return reached


def _train(job: Job, fit: Fit, bank: ProbeBank, folder: Path, trainer: Any) -> None:
    """Train the bank, then run the studies; an interrupted run of the same job and `trainer` settings is gone on with.

    What is at fault once training has begun would be at fault again: an InputError takes the finished epochs with it.
    """
    description = {
        "probe": fit.settings,
        "trainer": trainer,
        "in_memory": job.data.split("train").fits_in_memory,  # else it is shuffled in another way
        "versions": versions(),  # another may hold its state in another way
        "fingerprint": _fingerprint(job),
        "labels": list(job.data.target.names),
        "units": {split: job.data.split(split).units.digest for split in ("train", "dev")},
    }
    left = last_checkpoint(folder, description)
    try:
        job.trainer.fit(bank, datamodule=job.data, ckpt_path=left, weights_only=True)
    except InputError:
        clear_checkpoints(folder)
        raise
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # what a Trainer makes of Ctrl-C
            raise KeyboardInterrupt from stop
        raise  # how a launcher ends a job that it queues again
    except SIGTERMException as stop:  # where a launcher takes no notice of SIGTERM
        raise KeyboardInterrupt from stop


def _steps_taken(job: Job, fit: Fit, train: Split) -> list[Row]:
    """How many optimizer steps the grid was trained for; none where λ binds however few there are."""
    if fit.steps(train) is None:
        return []
    if job.trainer.should_stop:
        log.warning(
            "training was stopped after %d optimizer steps, before its %d epochs were over; the studies' probes are "
            "trained for all of them: set probe.epochs.", job.trainer.global_step, fit.epochs,
        )  # fmt: skip
    flags = {"fewest": FEWEST_STEPS, "batch_size": fit.batch_size}
    return [Row("training", "optimizer_steps", float(job.trainer.global_step), flags=flags)]


def _fingerprint(job: Job) -> dict[str, Any]:
    return {split: job.data.fingerprint(split) for split in job.data.contents}


def _say_aggregation(job: Job, plain: Any) -> None:
    """What a row of the store is made of, in the results too, where the property's level decided it."""
    if plain["model"].get("aggregation", "") is None:
        plain["model"]["aggregation"] = how = job.data.model.aggregation  # type: ignore[attr-defined]
        if job.data.prop.level != "word":
            log.info("property %s is of %ss: model.aggregation=%s.", job.data.prop.name, job.data.prop.level, how)


def _corpus_rows(job: Job) -> list[Row]:
    data = job.data
    words = {name: own.n_words for name, own in data.contents.items()}
    counted = corpus_summary(data.target, data.units, words) + vocabulary(data.target, data.units)
    return counted + baselines(data.target, data.units, job.fit.seed)


def _corpus_table(job: Job, rows: Sequence[Row]) -> Table:
    return corpus_table(job.data.target, rows, f"{job.data.corpus.name}, {job.data.prop.name}")


def _dropped_rows(job: Job) -> list[Row]:
    counts = job.data.counts
    return [Row("corpus", what, float(n), split=s) for s, found in counts.items() for what, n in found.items()]


def _refuse_objective(objective: Any, target: Target) -> None:
    """What a job can return: `score` is by the job's own metric. Raises InputError for anything else."""
    choice(
        "objective", objective, [f"{split}/{name}" for split in ("dev", "test") for name in ("score", *target.metrics)]
    )


def _objective(rows: Sequence[Row], objective: str, metric: str) -> float:
    """What a sweep optimises: a score of the chosen probe with all neurons."""
    split, _, name = objective.partition("/")
    wanted = ("oracle", split, metric if name == "score" else name)
    return next(float(row.value or 0) for row in rows if (row.study, row.split, row.metric) == wanted)


def _write(
    job: Job, folder: Path, plain: Any, rows: list[Row], seconds: dict[str, float], console: Console, objective: float,
    files: Any,
) -> None:  # fmt: skip
    data = job.data
    table = data.split("train").neurons
    correct = {name: counts for study in job.studies for name, counts in study.result.correct.items()}
    write_predictions(folder, correct)
    save_probe(folder / "probe.safetensors", job.search.trained.probe, data.target, table.as_list())
    write_files(folder, [study.result for study in job.studies])
    judged = judge([row.as_dict() for row in rows], plain["metric"])
    debug = debugging(plain["trainer"])
    verdict = f"No verdict: a debug job ({debug})." if debug else judged.text
    shown = sum((study.result for study in job.shown), Result(()))
    tables = (_corpus_table(job, rows), *shown.tables)
    said = {
        "title": f"{data.prop.name} in {data.corpus.name}: {data.model.title}",
        "fingerprint": _fingerprint(job), "files": files, "seconds": seconds, "estimated": data.estimated,
        "verdict": verdict, "beaten": [] if debug else list(judged.beaten), "objective": objective,
        "remarks": list(shown.remarks), "tables": [asdict(table) for table in tables],
        "figures": [asdict(figure) for figure in shown.figures],
    }  # fmt: skip
    results = assemble("debug" if debug else "ok", plain, rows, **said)
    write_results(folder, results)
    page = write_report(open_job(folder))
    clear_checkpoints(folder)
    show(job.trainer.loggers, folder, results)
    where = [
        f"results, ranking, probe: {folder}",
        f"report: {page.resolve().as_uri()}",
        f"activations: {'live' if data.live else data.folder.resolve()}",
    ]
    print_summary(console, results["rows"], verdict, where, plain["metric"], shown.tables, shown.remarks)


@contextmanager
def _clock(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 3)


@contextmanager
def _own_processes() -> Iterator[None]:
    """What Lightning leaves of a job's other processes goes with it: the next job of a multirun starts its own."""
    before = {name: os.environ.get(name) for name in OF_PROCESSES}
    try:
        yield
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


@contextmanager
def _pages_kept() -> Iterator[None]:
    """Freed memory stays with the process while a job runs: gradients of a bank are large, and glibc would hand their
    pages back.

    Fresh pages at every step took a quarter of the time of a bank of 64 (mallopt(3): M_MMAP_MAX, M_TRIM_THRESHOLD).
    """
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "mallopt"):  # another C library
        yield
        return
    libc.mallopt(-4, 0)
    libc.mallopt(-1, 2**31 - 1)
    try:
        yield
    finally:  # as glibc begins; the next job of a multirun starts with the memory of a first
        libc.mallopt(-4, 65_536)
        libc.mallopt(-1, 128 * 1024)
        libc.malloc_trim(0)
