"""Reads what an offline W&B run really logged (LevelDB log framing behind a header of 7 bytes)."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = 32768


def read_offline_run(path: Path, patience: float = 30.0) -> dict[str, Any]:
    """The last value of everything in the run's history, once the run's end is in the file.

    Another process of W&B writes the file, and may still do so when `finish` has returned.
    """
    from wandb.proto import wandb_internal_pb2

    deadline = time.monotonic() + patience
    while True:
        logged: dict[str, Any] = {}
        for content in _records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(content)
            kind = record.WhichOneof("record_type")
            if kind == "history":
                for item in record.history.item:
                    logged[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
            elif kind == "exit":
                return logged
        assert time.monotonic() < deadline, "the run never ended"
        time.sleep(0.05)


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
