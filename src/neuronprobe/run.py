"""The run itself: one Hydra job, Linguistic Correlation Analysis once."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from neuronprobe.build import Job, build
from neuronprobe.errors import InputError, whole_number
from neuronprobe.jobs.files import assemble, write_files, write_predictions, write_results
from neuronprobe.probes import Fit, ProbeBank, save_probe
from neuronprobe.probes.fit import FEWEST_STEPS
from neuronprobe.report.page import write_report
from neuronprobe.report.summary import print_corpus, print_summary
from neuronprobe.report.verdict import judge
from neuronprobe.resume import checkpoint_callback, clear_checkpoints, keep_curves, last_checkpoint
from neuronprobe.studies import baselines, corpus_summary, vocabulary
from neuronprobe.training import quiet
from neuronprobe.types import Row

OUTPUTS = ("results.json", "ranking*.csv", "predictions.npz", "probe.safetensors", "report.md")


def run(config: DictConfig, folder: Path) -> None:
    """Read, extract, train, study, write. A job that fails leaves `results.json` with its error, then raises."""
    seconds: dict[str, float] = {}
    plain = OmegaConf.to_container(config, resolve=False)
    config = OmegaConf.merge(config, {"folder": str(folder)})  # type: ignore[assignment]
    finished = False
    try:
        _run(config, folder, plain, seconds)
        finished = True
    except BaseException as error:
        if isinstance(error, InputError):
            clear_checkpoints(folder)
        rank_zero_only(write_results)(
            folder, assemble("failed", plain, seconds=seconds, error=f"{type(error).__name__}: {error}")
        )
        raise
    finally:
        if "wandb" in sys.modules:  # without it the next job of a multirun would go on in this run
            sys.modules["wandb"].finish(exit_code=int(not finished))


def _run(config: DictConfig, folder: Path, plain: Any, seconds: dict[str, float]) -> None:
    console = Console()
    quiet()
    keep_pages()
    pl.seed_everything(whole_number("seed", config.seed, 0, 2**32 - 1), verbose=False)
    job = build(config, [checkpoint_callback(folder)])
    rank_zero_only(keep_curves)(folder)
    for logger in job.trainer.loggers:  # a key or a network that fails is said now, not after the extraction
        _ = logger.experiment  # type: ignore[attr-defined]
    for path in [path for pattern in OUTPUTS for path in folder.glob(pattern)]:
        path.unlink(missing_ok=True)  # of an earlier run in this folder
    with _clock(seconds, "corpus"):
        rows = _corpus_rows(job)
    rank_zero_only(print_corpus)(
        console, [row.as_dict() for row in rows], f"{job.data.corpus.name}, {job.data.prop.name}"
    )
    with _clock(seconds, "activations"):
        job.data.prepare_data()
        job.data.setup()
    if any(found["words_dropped"] for found in job.data.counts.values()):
        rows = _corpus_rows(job)  # without the words that were dropped
    rows += _dropped_rows(job)
    train, dev = job.data.split("train"), job.data.split("dev")
    fit = job.fit.related(train, getattr(job.data.corpus, "batch_size", None))
    fit.warn_if_short(train)
    if (steps := fit.steps(train)) is not None:
        flags = {"fewest": FEWEST_STEPS, "batch_size": fit.batch_size}
        rows.append(Row("training", "optimizer_steps", float(steps), flags=flags))
    job.data.train_in(fit.batch_size, fit.order_seed)
    job.search.begin(fit, job.ranks)
    bank = fit.bank(fit.parts(fit.grid(), train)[0], train, dev)
    with _clock(seconds, "training"):
        _train(job, fit, bank, folder)
    for study in job.studies:
        rows += study.result.rows
        seconds[study.name] = round(study.seconds, 3)
        seconds["training"] = round(seconds["training"] - study.seconds, 3)
    if job.trainer.is_global_zero:
        _write(job, folder, plain, rows, seconds, console)


def _train(job: Job, fit: Fit, bank: ProbeBank, folder: Path) -> None:
    description = {
        "probe": fit.settings,
        "fingerprint": _fingerprint(job),
        "labels": list(job.data.labels),
        "units": {split: job.data.split(split).units.digest for split in ("train", "dev")},
    }
    left = last_checkpoint(folder, description)
    try:
        job.trainer.fit(bank, datamodule=job.data, ckpt_path=left, weights_only=True)
    except SystemExit as stop:  # what a Trainer makes of Ctrl-C
        raise KeyboardInterrupt from stop


def _fingerprint(job: Job) -> dict[str, Any]:
    return {split: job.data.fingerprint(split) for split in job.data.readings}


def _corpus_rows(job: Job) -> list[Row]:
    data = job.data
    words = {name: reading.n_words for name, reading in data.readings.items()}
    unknown = {name: len(data.unknown(name)) for name in data.readings}
    counted = corpus_summary(data.units, words, unknown) + vocabulary(data.units, data.labels.names)
    return counted + baselines(data.units, job.fit.seed)


def _dropped_rows(job: Job) -> list[Row]:
    counts = job.data.counts
    return [Row("corpus", what, float(n), split=s) for s, found in counts.items() for what, n in found.items()]


def _write(job: Job, folder: Path, plain: Any, rows: list[Row], seconds: dict[str, float], console: Console) -> None:
    data = job.data
    table = data.split("train").neurons
    correct = {name: counts for study in job.studies for name, counts in study.result.correct.items()}
    write_predictions(folder, correct)
    save_probe(folder / "probe.safetensors", job.search.trained.probe, data.labels.names, table.as_list())
    write_files(folder, [study.result.files for study in job.studies])
    judged = judge([row.as_dict() for row in rows], plain["metric"])
    about = {
        "title": f"{data.prop.name} in {data.corpus.name}: {data.model.title}",
        "fingerprint": _fingerprint(job), "seconds": seconds, "estimated": data.estimated,
        "verdict": judged.text, "beaten": list(judged.beaten),
        "tables": [asdict(table) for study in job.studies for table in study.result.tables],
    }  # fmt: skip
    results = assemble("ok", plain, rows, **about)
    write_report(folder, results)
    write_results(folder, results)
    clear_checkpoints(folder)
    where = [
        f"results, ranking, probe and report: {folder}",
        f"activations: {'live' if data.live else data.folder.resolve()}",
    ]
    print_summary(console, results["rows"], judged.text, where, plain["metric"], results["tables"])


@contextmanager
def _clock(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 3)


def keep_pages() -> None:
    """Let freed memory stay with the process: gradients of a bank are large, and glibc would hand their pages back.

    Fresh pages at every step took a quarter of the time of a bank of 64 (mallopt(3): M_MMAP_MAX, M_TRIM_THRESHOLD).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(-4, 0)
        mallopt(-1, 2**31 - 1)
