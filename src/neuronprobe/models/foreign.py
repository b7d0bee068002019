"""Files of activations that other programs write: folders of `.npy` files, NeuroX's hdf5 and json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.models.sites import RESIDUAL
from neuronprobe.neurons import Segment

WORDS = "words.txt"
LAYER_FILE = re.compile(r"(?:(\w+?)[-_])?(\d+)\.npy")
Vectors = Float[Tensor, "word neuron"]


class Foreign(Protocol):
    """One folder or file: its segments, and where each sentence is."""

    segments: tuple[Segment, ...]
    places: dict[tuple[str, ...], Any]

    def vectors(self, place: Any) -> Vectors:
        """All segments side by side."""


class NpyFolder:
    """A folder of arrays, read through memory maps."""

    def __init__(self, folder: Path) -> None:
        found = {path: LAYER_FILE.fullmatch(path.name) for path in sorted(folder.glob("*.npy"))}
        if folder / "shift.npy" in found:
            raise InputError(
                f"{folder} must hold activations as they are, got a store with shifted neurons (shift.npy)."
            )
        layers = sorted((_site(match[1]), int(match[2]), path) for path, match in found.items() if match)
        if not layers:
            raise InputError(f"{folder} must hold SITE-LAYER.npy files, such as residual-00.npy, got none.")
        self._arrays = [_array(path) for *_, path in layers]
        self.segments = tuple(
            Segment(site, layer, array.shape[1]) for (site, layer, _), array in zip(layers, self._arrays, strict=True)
        )
        self.places: dict[tuple[str, ...], tuple[int, int]] = {}
        row = 0
        for words in _sentences(folder / WORDS):
            self.places.setdefault(words, (row, row + len(words)))
            row += len(words)
        for (*_, path), array in zip(layers, self._arrays, strict=True):
            if len(array) != row:
                raise InputError(f"{path} must have {row} rows, the words of {WORDS}, got {len(array)}.")

    def vectors(self, place: tuple[int, int]) -> Vectors:
        """All segments side by side."""
        return torch.cat(
            [torch.from_numpy(np.array(array[slice(*place)], np.float32)) for array in self._arrays], dim=1
        )


class Hdf5File:
    """NeuroX's hdf5: a dataset `[layer, word, neuron]` per sentence, and `sentence_to_index`."""

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ImportError as error:
            raise InputError(f"{path} needs h5py; pip install 'neuronprobe[hdf5]'.") from error
        try:
            self._file = h5py.File(path, "r")
            index = json.loads(self._file["sentence_to_index"][0])
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"{path} must be an hdf5 file of NeuroX, with sentence_to_index, got {error}.") from error
        self.places = {tuple(sentence.split()): str(key) for sentence, key in index.items()}
        self.segments = _layers_of(self._file[next(iter(self.places.values()))].shape)

    def vectors(self, place: str) -> Vectors:
        """All layers side by side."""
        return _side_by_side(np.asarray(self._file[place], np.float32))


@dataclass
class JsonFile:
    """NeuroX's json: one sentence a line; lines are read again when they are needed."""

    path: Path

    def __post_init__(self) -> None:
        self.places: dict[tuple[str, ...], int] = {}
        with self.path.open("rb") as file:
            while True:
                start = file.tell()
                line = file.readline()
                if not line:
                    break
                if line.strip():
                    self.places.setdefault(tuple(word["token"] for word in self._parse(line)), start)
        if not self.places:
            raise InputError(f"{self.path} must be a json file of NeuroX, got no sentence in it.")
        self.segments = _layers_of(self._array(next(iter(self.places.values()))).shape)

    def vectors(self, place: int) -> Vectors:
        """All layers side by side."""
        return _side_by_side(self._array(place))

    def _array(self, place: int) -> Any:
        with self.path.open("rb") as file:
            file.seek(place)
            words = self._parse(file.readline())
        return np.asarray([[layer["values"] for layer in word["layers"]] for word in words], np.float32).swapaxes(0, 1)

    def _parse(self, line: bytes) -> list[dict[str, Any]]:
        try:
            return list(json.loads(line)["features"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path} must be a json file of NeuroX, got a line without features.") from error


def open_foreign(path: Path) -> Foreign:
    """Raises InputError where a path is not there, or not what it seems."""
    kinds: dict[str, Callable[[Path], Foreign]] = {
        ".hdf5": Hdf5File,
        ".h5": Hdf5File,
        ".json": JsonFile,
        ".jsonl": JsonFile,
    }
    if _there(path).is_dir():
        return NpyFolder(path)
    if path.suffix in kinds:
        try:
            return kinds[path.suffix](path)
        except (KeyError, IndexError, TypeError, ValueError, StopIteration) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path} must be a file of activations as NeuroX writes it, got {type(error).__name__}: {error}."
            ) from error
    raise InputError(f"model.path must be a folder, or a .hdf5, .h5, .json or .jsonl file, got {str(path)!r}.")


def files(path: Path) -> list[Path]:
    """What is read of a path, in a fixed order. Raises InputError where it is not there."""
    _there(path)
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if LAYER_FILE.fullmatch(file.name) or file.name == WORDS)


def _there(path: Path) -> Path:
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
    _there(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
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


def _layers_of(shape: tuple[int, ...]) -> tuple[Segment, ...]:
    return tuple(Segment(RESIDUAL, layer, shape[2]) for layer in range(shape[0]))


def _side_by_side(array: Any) -> Vectors:
    """[layer, word, neuron] with the layers of each word in one row."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(1, 0, 2)).reshape(array.shape[1], -1))
