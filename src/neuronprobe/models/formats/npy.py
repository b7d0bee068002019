"""A folder of `.npy` files, a layer each, beside the words of their rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.models.sites.site import RESIDUAL
from neuronprobe.neurons import Segment

WORDS = "words.txt"
LAYER_FILE = re.compile(r"(?:(\w+?)[-_])?(\d+)\.npy")


class NpyFolder:
    """A folder of arrays, read through memory maps; a sentence's key is its rows (first, end)."""

    def __init__(self, folder: Path) -> None:
        found = {path: LAYER_FILE.fullmatch(path.name) for path in sorted(folder.glob("*.npy"))}
        layers = sorted((_site(match[1]), int(match[2]), path) for path, match in found.items() if match)
        if folder / "shift.npy" in found:
            raise InputError(
                f"{folder} must hold activations as they are, got a store with shifted neurons (shift.npy)."
            )
        if not layers:
            raise InputError(f"{folder} must hold SITE-LAYER.npy files, such as residual-00.npy, got none.")
        self._arrays = [_array(path) for *_, path in layers]
        self.segments = tuple(
            Segment(site, layer, array.shape[1]) for (site, layer, _), array in zip(layers, self._arrays, strict=True)
        )
        self.keys: dict[tuple[str, ...], tuple[int, int]] = {}
        row = 0
        for words in _sentences(folder / WORDS):
            self.keys.setdefault(words, (row, row + len(words)))
            row += len(words)
        for (*_, path), array in zip(layers, self._arrays, strict=True):
            if len(array) != row:
                raise InputError(f"{path} must have {row} rows, the words of {WORDS}, got {len(array)}.")

    def vectors(self, key: tuple[int, int]) -> Float[Tensor, "word neuron"]:
        """All segments side by side."""
        rows = slice(*key)
        return torch.cat([torch.from_numpy(np.array(array[rows], np.float32)) for array in self._arrays], dim=1)


def files(path: Path) -> list[Path]:
    """What is read of a folder or file, in a fixed order. Raises InputError where it is not there."""
    if not existing(path).is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if LAYER_FILE.fullmatch(file.name) or file.name == WORDS)


def existing(path: Path) -> Path:
    """The path. Raises InputError where nothing is there."""
    if not path.exists():
        raise InputError(
            f"model.path must be a folder or a file of activations, got {str(path)!r}, which is not there."
        )
    return path


def _site(name: str | None) -> str:
    return RESIDUAL if name in (None, "layer") else str(name)


def _array(path: Path) -> Any:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be a .npy file without pickle, got {error}.") from error
    if array.ndim != 2 or array.dtype.kind != "f":
        raise InputError(f"{path} must hold numbers [word, neuron], got {array.dtype} of shape {array.shape}.")
    return array


def _sentences(path: Path) -> Iterator[tuple[str, ...]]:
    try:
        lines = existing(path).read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8 text, got {error.reason}; save it as UTF-8.") from error
    for line in lines:
        if line.split():
            yield _listed(line) or tuple(line.split())


def _listed(line: str) -> tuple[str, ...]:
    """The words of a line that is a JSON list of them; none of another line."""
    try:
        found = json.loads(line) if line.startswith('["') else None
    except ValueError:
        return ()
    return tuple(found) if isinstance(found, list) and all(isinstance(word, str) for word in found) else ()
