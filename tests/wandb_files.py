"""Reads what an offline W&B run really logged (LevelDB log framing behind a header of 7 bytes)."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = 32768


def read_offline_run(path: Path) -> dict[str, Any]:
    """The last value of everything in the run's history."""
    from wandb.proto import wandb_internal_pb2

    logged: dict[str, Any] = {}
    for content in _records(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(content)
        if record.WhichOneof("record_type") == "history":
            for item in record.history.item:
                logged[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    return logged


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
        at += 7 + length
        content = chunk if kind in (1, 2) else content + chunk
        if kind in (1, 4):
            yield content
