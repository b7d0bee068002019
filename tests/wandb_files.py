"""Reads what an offline W&B run really logged (LevelDB log framing behind a header of 7 bytes)."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK = 32768


@dataclass
class OfflineRun:
    """What a run says of itself, the last value of everything in its history, its summary, its artifacts."""

    about: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    logged: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, list[str]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    exit_code: int = -1


def offline_runs(folder: Path) -> list[Path]:
    """The files of the runs that a job's folder holds, oldest first."""
    return sorted((folder / "wandb").glob("offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_ctime)


def read_offline_run(path: Path, patience: float = 30.0) -> OfflineRun:
    """The run, once its end is in the file.

    Another process of W&B writes the file, and may still do so when `finish` has returned.
    """
    from wandb.proto import wandb_internal_pb2

    deadline = time.monotonic() + patience
    while True:
        run = OfflineRun()
        for content in _records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(content)
            _take(run, record)
            if record.WhichOneof("record_type") == "exit":
                return run
        assert time.monotonic() < deadline, "the run never ended"
        time.sleep(0.05)


def _take(run: OfflineRun, record: Any) -> None:
    kind = record.WhichOneof("record_type")
    if kind == "history":
        run.logged |= _items(record.history.item)
    elif kind == "summary":
        run.summary |= _items(record.summary.update)
    elif kind == "config":
        run.config |= _items(record.config.update)
    elif kind == "exit":
        run.exit_code = record.exit.exit_code
    elif kind == "run":
        own = record.run
        run.about = {"id": own.run_id, "name": own.display_name, "group": own.run_group, "job_type": own.job_type,
                     "tags": list(own.tags), "notes": own.notes, "project": own.project,
                     "sweep": own.sweep_id}  # fmt: skip
        run.config |= _items(own.config.update)
    elif kind == "artifact":
        run.artifacts[record.artifact.name] = sorted(entry.path for entry in record.artifact.manifest.contents)
        run.metadata |= json.loads(record.artifact.metadata or "{}")


def _items(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(data: bytes) -> Iterator[bytes]:
    assert data[:4] == b":W&B"
    at, content = 7, b""
    while at + 7 <= len(data):
        left = BLOCK - at % BLOCK
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        if not kind and not length:
            return
        chunk = data[at + 7 : at + 7 + length]
        if len(chunk) < length:
            return
        at += 7 + length
        content = chunk if kind in (1, 2) else content + chunk
        if kind in (1, 4):
            yield content
