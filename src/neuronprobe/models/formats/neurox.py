"""NeuroX's hdf5 and json: the vectors of a sentence as `[layer, word, neuron]`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.models.sites.site import RESIDUAL
from neuronprobe.neurons import Segment


class Hdf5File:
    """A dataset per sentence, whose name is the sentence's key, and `sentence_to_index`."""

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
        self.keys = {tuple(sentence.split()): str(key) for sentence, key in index.items()}
        self.segments = _segments(self._file[next(iter(self.keys.values()))].shape)

    def vectors(self, key: str) -> Float[Tensor, "word neuron"]:
        """All layers side by side."""
        return _side_by_side(np.asarray(self._file[key], np.float32))


class JsonFile:
    """A sentence a line, whose key is the line's first byte; lines are read again when they are needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.keys: dict[tuple[str, ...], int] = {}
        with path.open("rb") as file:
            start = 0
            for line in file:
                if line.strip():
                    self.keys.setdefault(tuple(word["token"] for word in self._parse(line)), start)
                start += len(line)
        if not self.keys:
            raise InputError(f"{path} must be a json file of NeuroX, got no sentence in it.")
        self.segments = _segments(self._array(next(iter(self.keys.values()))).shape)

    def vectors(self, key: int) -> Float[Tensor, "word neuron"]:
        """All layers side by side."""
        return _side_by_side(self._array(key))

    def _array(self, start: int) -> Any:
        with self._path.open("rb") as file:
            file.seek(start)
            words = self._parse(file.readline())
        return np.asarray([[layer["values"] for layer in word["layers"]] for word in words], np.float32).swapaxes(0, 1)

    def _parse(self, line: bytes) -> list[dict[str, Any]]:
        try:
            return list(json.loads(line)["features"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._path} must be a json file of NeuroX, got a line without features.") from error


def _segments(shape: tuple[int, ...]) -> tuple[Segment, ...]:
    return tuple(Segment(RESIDUAL, layer, shape[2]) for layer in range(shape[0]))


def _side_by_side(array: Any) -> Float[Tensor, "word neuron"]:
    """[layer, word, neuron] with the layers of each word in one row."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(1, 0, 2)).reshape(array.shape[1], -1))
