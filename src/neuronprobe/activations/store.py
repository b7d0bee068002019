"""Activations on disk: one `.npy` per layer and site `[word, neuron]`, and `index.json`.

A store is known by the fingerprint of what decides its numbers: model files, forward dtype, site, pooling,
the corpus's forms and the store's dtype. Labels are not in it: every property of a corpus reads the same store.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.neurons import NeuronTable, Segment

SCHEMA = 1
DTYPES = {"float16": torch.float16, "float32": torch.float32}


class StoreError(Exception):
    """A store on disk is not what its index says: truncated, changed or of another fingerprint."""


def store_name(fingerprint: Mapping[str, Any]) -> str:
    """Folder name of a store: the head of the sha256 of its fingerprint."""
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]


def file_name(segment: Segment) -> str:
    """The file of one layer and site."""
    return f"{segment.site}-{segment.layer:02d}.npy"


class Store:
    """A finished store, read through memory maps; opens neither corpus nor model."""

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any]) -> None:
        """Open and verify sizes and checksums. Raises StoreError where they do not hold."""
        self.folder = folder
        index = _read_json(folder / "index.json")
        if index.get("schema") != SCHEMA or index.get("fingerprint") != dict(fingerprint):
            raise StoreError(f"{folder} has another fingerprint")
        self.neurons = NeuronTable.from_list(index["segments"])
        self.n_words = int(index["words"])
        self.windows = int(index["windows"])
        self.dropped: Int[Tensor, " word"] = torch.tensor(index["dropped"], dtype=torch.long)
        self._layers = []
        self._held: Float[Tensor, "word neuron"] | None = None
        for segment in self.neurons.segments:
            path = folder / file_name(segment)
            if not path.is_file() or file_digest(path) != index["sha256"][path.name]:
                raise StoreError(f"{path} is missing, truncated or changed")
            self._layers.append(torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False)))

    @property
    def gibibytes(self) -> float:
        """Size of all layers."""
        return sum(layer.numel() * layer.element_size() for layer in self._layers) / 2**30

    def to(self, device: torch.device) -> None:
        """Hold the activations on a GPU (on the CPU they stay in their files)."""
        self._layers = [layer.to(device) for layer in self._layers]
        self._held = None if self._held is None else self._held.to(device)

    def hold(self) -> None:
        """Keep all layers side by side in memory as float32: neighbouring words are then read without a copy."""
        if self._held is None:
            self._held = torch.cat(self._layers, dim=1).float()

    @property
    def device(self) -> torch.device:
        """Where the activations are gathered."""
        return self._layers[0].device

    def gather(self, rows: Int[Tensor, "unit part"]) -> Float[Tensor, "unit neuron"]:
        """Activations of units as float32, the vectors of a unit's rows side by side."""
        if self._held is not None and rows.shape[1] == 1 and _are_neighbours(rows[:, 0]):
            return self._held[rows[0, 0] : rows[-1, 0] + 1]
        rows = rows.to(self.device)
        return torch.cat([layer[part] for part in rows.T for layer in self._layers], dim=1).float()


class StoreWriter:
    """A store in the making, in a folder aside; appended chunk by chunk, resumable, renamed when complete."""

    def __init__(
        self, folder: Path, fingerprint: Mapping[str, Any], neurons: NeuronTable, n_words: int, dtype: str,
        title: str = "",
    ) -> None:  # fmt: skip
        """`title` is for people who look at the store."""
        self._title = title
        self.folder, self._aside = folder, folder.with_name(folder.name + ".partial")
        self._fingerprint, self._neurons, self._n_words = dict(fingerprint), neurons, n_words
        self._dtype = DTYPES[dtype]
        self._check_disk()
        self._aside.mkdir(parents=True, exist_ok=True)
        self._dropped: list[int] = []
        self._windows = 0
        self.words_done = self._resume()

    def append(self, layers: Sequence[Float[Tensor, "word _"]], dropped: Sequence[int] = (), windows: int = 0) -> None:
        """Add the next words; `dropped` are those without subword (0 = the first of these words), `windows` the
        windows of long sentences. Raises InputError, naming the layer, where activations are not finite.
        """
        for segment, layer in zip(self._neurons.segments, layers, strict=True):
            values = self._checked(segment, layer)
            self._write(self._aside / file_name(segment), values.numpy().tobytes())
        self._dropped += [self.words_done + row for row in dropped]
        self._windows += windows
        self.words_done += len(layers[0])
        self._mark()

    def finish(self) -> None:
        """Write the index and give the folder its name in one step."""
        sums = {name: file_digest(self._aside / name) for name in map(file_name, self._neurons.segments)}
        index = {
            "schema": SCHEMA,
            "title": self._title,
            "fingerprint": self._fingerprint,
            "segments": self._neurons.as_list(),
            "words": self._n_words,
            "dtype": str(self._dtype).removeprefix("torch."),
            "dropped": self._dropped,
            "windows": self._windows,
            "sha256": sums,
        }
        write_json(self._aside / "index.json", index)
        (self._aside / "progress.json").unlink()
        self._aside.rename(self.folder)

    def _check_disk(self) -> None:
        wanted = self._n_words * len(self._neurons) * self._dtype.itemsize
        there = sum(path.stat().st_size for path in self._aside.glob("*.npy"))
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder.parent).free
        if free < wanted - there:
            raise InputError(
                f"activations.folder must have {(wanted - there) / 1e9:.2f} GB free, got {free / 1e9:.2f} GB "
                f"at {self.folder.parent}; free some or choose another folder."
            )

    def _write(self, path: Path, content: bytes) -> None:
        try:
            with path.open("ab") as file:
                file.write(content)
        except OSError as error:
            shutil.rmtree(self._aside, ignore_errors=True)
            raise InputError(
                f"activations.folder must be writable to the end, got {error.strerror} at {path}; "
                "nothing half-written is left; free space or choose another folder."
            ) from error

    def _checked(self, segment: Segment, layer: Tensor) -> Tensor:
        peak = finite_peak(segment, layer)
        if peak > torch.finfo(self._dtype).max:
            raise InputError(
                f"activations of layer {segment.layer} must be below 65,504 for a float16 store, "
                f"got {peak:,.0f}; use activations.dtype=float32."
            )
        return layer.to(self._dtype)

    def _resume(self) -> int:
        try:
            progress = _read_json(self._aside / "progress.json")
            done = int(progress["words"]) if progress["fingerprint"] == self._fingerprint else 0
            self._dropped, self._windows = list(progress["dropped"]), int(progress["windows"])
            sizes = [(self._aside / file_name(s)).stat().st_size for s in self._neurons.segments]
        except (StoreError, OSError, KeyError):
            done, sizes = 0, []
        expected = [len(self._header(s)) + done * s.width * self._dtype.itemsize for s in self._neurons.segments]
        if not sizes or any(size < least for size, least in zip(sizes, expected, strict=True)):
            done = 0
        if not done:
            self._dropped, self._windows = [], 0
        for segment in self._neurons.segments:
            self._cut(segment, done)
        return done

    def _cut(self, segment: Segment, words: int) -> None:
        header = self._header(segment)
        with (self._aside / file_name(segment)).open("ab") as file:
            file.truncate(len(header) + words * segment.width * self._dtype.itemsize if words else 0)
            if not words:
                file.write(header)

    def _header(self, segment: Segment) -> bytes:
        from io import BytesIO

        buffer = BytesIO()
        shape = {"descr": f"<f{self._dtype.itemsize}", "fortran_order": False, "shape": (self._n_words, segment.width)}
        np.lib.format.write_array_header_1_0(buffer, shape)
        return buffer.getvalue()

    def _mark(self) -> None:
        counts = {"words": self.words_done, "dropped": self._dropped, "windows": self._windows}
        write_json(self._aside / "progress.json", {"fingerprint": self._fingerprint, **counts})


def finite_peak(segment: Segment, layer: Tensor) -> float:
    """The largest |activation|. Raises InputError, naming the layer, where one is not finite."""
    peak = float(layer.abs().amax()) if layer.numel() else 0.0
    if not math.isfinite(peak):
        raise InputError(
            f"activations of layer {segment.layer} must be finite, got NaN or infinity from the model; "
            "use model.dtype=float32 and activations.dtype=float32."
        )
    return peak


def file_digest(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write aside, then rename: a reader sees the old file or the new one, never half of it."""
    aside = path.with_name(path.name + ".new")
    aside.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
    aside.replace(path)


def _are_neighbours(rows: Int[Tensor, " unit"]) -> bool:
    return len(rows) > 0 and bool((rows.diff() == 1).all())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} can't be read") from error
