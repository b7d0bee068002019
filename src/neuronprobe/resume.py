"""Going on after an interruption: a checkpoint after each epoch, used only by the same job in the same folder."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint

from neuronprobe.writing import write_json

log = logging.getLogger(__name__)


def checkpoint_callback(folder: Path) -> ModelCheckpoint:
    """Saves the bank and its optimizer after every epoch."""
    return ModelCheckpoint(
        _checkpoints(folder), filename="last", save_on_train_epoch_end=True, enable_version_counter=False
    )


def last_checkpoint(folder: Path, job: Mapping[str, Any]) -> Path | None:
    """Where an interrupted run of the same `job` (plain data) stopped in this folder; another job's are removed."""
    checkpoints = _checkpoints(folder)
    if not _is_same(checkpoints / "job.json", job):
        shutil.rmtree(checkpoints, ignore_errors=True)
        checkpoints.mkdir(parents=True)
        write_json(checkpoints / "job.json", job)
    last = checkpoints / "last.ckpt"
    if not last.is_file():
        return None
    log.info("Going on after the last finished epoch of an interrupted run (%s).", last)
    return last


def keep_curves(folder: Path) -> None:
    """Give the curves of the epochs before an interruption a file of their own: the logger begins a new one."""
    path = folder / "curves" / "metrics.csv"
    if path.is_file() and (_checkpoints(folder) / "last.ckpt").is_file():
        path.rename(path.with_name(f"metrics-{len(list(path.parent.glob('metrics-*.csv'))) + 1}.csv"))


def clear_checkpoints(folder: Path) -> None:
    """Remove what a finished job does not need."""
    shutil.rmtree(_checkpoints(folder), ignore_errors=True)


def _checkpoints(folder: Path) -> Path:
    return folder / "checkpoints"


def _is_same(path: Path, job: Mapping[str, Any]) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(job)))
    except (OSError, ValueError):
        return False
