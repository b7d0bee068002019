"""Files written in one step: a reader sees the old file or the new one, never half of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> Path:
    """Write aside, then rename."""
    aside = path.with_name(path.name + ".new")
    aside.write_bytes(content)
    aside.replace(path)
    return path


def write_json(path: Path, content: Any) -> Path:
    """Plain data as JSON. Raises ValueError for NaN and infinity, which JSON does not have."""
    return write_bytes(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False).encode())
