"""The files of a store: written in one step, known by their sha256."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


class StoreError(Exception):
    """A store on disk is not what its index says: truncated, changed or of another fingerprint."""


class GrowingArray:
    """A `.npy` file `[row, column]` in the making: its header is that of the whole array, rows are appended."""

    def __init__(self, path: Path, n_rows: int, n_columns: int, dtype: torch.dtype) -> None:
        self.path, self._shape, self._itemsize = path, (n_rows, n_columns), dtype.itemsize

    def size(self, rows: int) -> int:
        """Bytes of the file with so many rows."""
        return len(self._header) + rows * self._shape[1] * self._itemsize

    def cut(self, rows: int) -> None:
        """Keep the first rows; without any, begin the file."""
        with self.path.open("ab") as file:
            file.truncate(self.size(rows) if rows else 0)
            if not rows:
                file.write(self._header)

    def append(self, values: Tensor) -> None:
        """Add rows."""
        with self.path.open("ab") as file:
            file.write(values.numpy().tobytes())

    @cached_property
    def _header(self) -> bytes:
        buffer = BytesIO()
        form = {"descr": f"<f{self._itemsize}", "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(buffer, form)
        return buffer.getvalue()


def file_digest(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """An index. Raises StoreError where it can't be read."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} can't be read") from error


def open_array(path: Path, index: Mapping[str, Any]) -> np.memmap:
    """An array through a memory map. Raises StoreError where it is not the one that the index has the sha256 of."""
    if not path.is_file() or file_digest(path) != index["sha256"][path.name]:
        raise StoreError(f"{path} is missing, truncated or changed")
    array: np.memmap = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


def let_go(array: np.memmap) -> None:
    """What was read of an array leaves memory, where the system can be told so; it is read again when asked for."""
    if hasattr(mmap, "MADV_DONTNEED") and isinstance(array.base, mmap.mmap):
        array.base.madvise(mmap.MADV_DONTNEED)
