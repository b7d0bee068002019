"""Activations that another program wrote: folders of `.npy` files, NeuroX's hdf5 and json files.

A sentence is found by its words, so that one file can serve every split, and several files can serve one corpus.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.models.reading import Chunk
from neuronprobe.models.sites import RESIDUAL
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.types import Sentence

WORDS = "words.txt"
LAYER_FILE = re.compile(r"(?:(\w+?)[-_])?(\d+)\.npy")
Vectors = Float[Tensor, "word neuron"]


class PrecomputedActivations:
    """What `path` holds, instead of a model: a folder, an hdf5 or json file, or a list of these.

    A folder has `words.txt` (a sentence a line, blanks between words; or one JSON list of words a line, where words
    have blanks) and `SITE-LAYER.npy` or `layer_LAYER.npy`, `[word, neuron]` each, words in the order of the lines.
    """

    level = "word"

    def __init__(self, path: str | Sequence[str], title: str | None = None) -> None:
        paths = [Path(str(one)).expanduser() for one in ([path] if isinstance(path, str) else path or [])]
        if not paths:
            raise InputError(f"model.path must be a folder or a file of activations, got {path!r}.")
        self.title = title or paths[0].name
        self._paths = paths

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """sha256 of every file."""
        total = hashlib.sha256()
        for part in [part for path in self._paths for part in _files(_there(path))]:
            with part.open("rb") as file:
                total.update(f"{part.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return {"precomputed": total.hexdigest()}

    @cached_property
    def neurons(self) -> NeuronTable:
        """The segments of the first file. Raises InputError where another one has others."""
        tables = [shelf.segments for shelf in self._shelves]
        for path, table in zip(self._paths, tables, strict=True):
            if table != tables[0]:
                raise InputError(f"{path} must have the layers of {self._paths[0]}, got others.")
        return NeuronTable(tables[0])

    def tokenise(self, sentences: Sequence[Sentence]) -> None:
        """Nothing to prepare."""

    def chunk(self, sentences: Sequence[Sentence], prepared: None, budget: int) -> Chunk:
        """The sentences' vectors. Raises InputError for a sentence that no file has."""
        widths = [segment.width for segment in self.neurons.segments]
        read = [self._vectors(sentence) for sentence in sentences]
        return Chunk([part.contiguous() for part in torch.cat(read).split(widths, dim=1)], [], 0)

    def _vectors(self, sentence: Sentence) -> Vectors:
        for shelf in self._shelves:
            if sentence.words in shelf.places:
                try:
                    found = shelf.vectors(shelf.places[sentence.words])
                except (KeyError, IndexError, ValueError) as error:
                    raise InputError(
                        f"sentence {sentence.id} must have vectors of one width in the activations, got {error}."
                    ) from error
                if len(found) != len(sentence.words):
                    raise InputError(
                        f"sentence {sentence.id} must have {len(sentence.words)} vectors in the activations, "
                        f"got {len(found)}."
                    )
                return found
        raise InputError(
            f"sentence {sentence.id} must be in the activations, got none for {' '.join(sentence.words)[:60]!r}; "
            "their words must be those of the corpus, in the same sentences."
        )

    @cached_property
    def _shelves(self) -> list[Shelf]:
        return [_shelf(_there(path)) for path in self._paths]


class Shelf(Protocol):
    """One folder or file: its segments, and where each sentence is."""

    segments: tuple[Segment, ...]
    places: dict[tuple[str, ...], Any]

    def vectors(self, place: Any) -> Vectors:
        """All segments side by side."""


class NpyShelf:
    """A folder of arrays, read through memory maps."""

    def __init__(self, folder: Path) -> None:
        found = {path: LAYER_FILE.fullmatch(path.name) for path in sorted(folder.glob("*.npy"))}
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


class Hdf5Shelf:
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
class JsonShelf:
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


def _shelf(path: Path) -> Shelf:
    kinds: dict[str, Callable[[Path], Shelf]] = {
        ".hdf5": Hdf5Shelf,
        ".h5": Hdf5Shelf,
        ".json": JsonShelf,
        ".jsonl": JsonShelf,
    }
    if path.is_dir():
        return NpyShelf(path)
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


def _files(path: Path) -> list[Path]:
    """What is read of a path, in a fixed order."""
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
