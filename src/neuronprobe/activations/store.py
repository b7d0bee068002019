"""Activations on disk: one `.npy` per layer and site `[word, neuron]`, and `index.json`.

A store is known by the fingerprint of what decides its numbers: model files, forward dtype, site, pooling,
the corpus's forms and the store's dtype. Labels are not in it: every property of a corpus reads the same store.
A float16 store in which neurons are shifted (see `rounding`) says so in its index and has `shift.npy`, `[2, neuron]`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.activations.files import GrowingArray, StoreError, file_digest, let_go, open_array, read_json
from neuronprobe.activations.rounding import Rounding, Shift
from neuronprobe.errors import InputError
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.writing import write_json

log = logging.getLogger(__name__)

SCHEMA, SCHEMA_SHIFTED = 1, 2
"""A store without shifted neurons is as it was before there were any; readers of that time refuse the other."""
SHIFT = "shift.npy"
ROWS_AT_A_TIME = 4096
DTYPES = {"float16": torch.float16, "float32": torch.float32}


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
        index = read_json(folder / "index.json")
        if index.get("schema") not in (SCHEMA, SCHEMA_SHIFTED) or index.get("fingerprint") != dict(fingerprint):
            raise StoreError(f"{folder} has another fingerprint")
        self.neurons = NeuronTable.from_list(index["segments"])
        self.n_words = int(index["words"])
        self.windows = int(index["windows"])
        self.dropped: Int[Tensor, " word"] = torch.tensor(index["dropped"], dtype=torch.long)
        self._files = [open_array(folder / file_name(segment), index) for segment in self.neurons.segments]
        self._layers = [torch.from_numpy(file) for file in self._files]
        is_shifted = index["schema"] == SCHEMA_SHIFTED
        shift = Shift.none(len(self.neurons))
        if is_shifted:
            shift = Shift(*torch.from_numpy(open_array(folder / SHIFT, index)))
        self._columns = shift.columns
        self._shift = shift.of(self._columns)

    @property
    def gibibytes(self) -> float:
        """Size of all layers."""
        return sum(layer.numel() * layer.element_size() for layer in self._layers) / 2**30

    def to(self, device: torch.device) -> None:
        """Hold the activations on a GPU (on the CPU they stay in their files)."""
        self._layers = [layer.to(device) for layer in self._layers]
        self._columns, self._shift = self._columns.to(device), self._shift.to(device)

    @property
    def device(self) -> torch.device:
        """Where the activations are gathered."""
        return self._layers[0].device

    def let_go(self) -> None:
        """What was read leaves memory, until it is asked for again."""
        for file in self._files:
            let_go(file)

    def gather(self, rows: Int[Tensor, "unit part"]) -> Float[Tensor, "unit neuron"]:
        """Activations of units as float32, the vectors of a unit's rows side by side."""
        rows = rows.to(self.device)
        return self._restored(torch.cat([layer[part] for part in rows.T for layer in self._layers], dim=1).float())

    def columns(self, neurons: Int[Tensor, " chosen"]) -> Float[Tensor, "word chosen"]:
        """Some neurons of all words as float32; only the layers that hold them are read."""
        found = torch.empty(self.n_words, len(neurons), device=self.device)
        segments = self.neurons.segment_of[neurons]
        for which in segments.unique().tolist():
            here = (segments == which).nonzero().flatten()
            own, layer = neurons[here] - self.neurons.starts[which], self._layers[which]
            for start in range(0, self.n_words, ROWS_AT_A_TIME):
                rows = slice(start, start + ROWS_AT_A_TIME)
                found[rows, here] = layer[rows][:, own].float()
        chosen, shifted = (neurons.to(self.device)[:, None] == self._columns).nonzero().T
        found[:, chosen] = self._shift.of(shifted).read(found[:, chosen])
        return found

    def _restored(self, values: Float[Tensor, "unit neuron"]) -> Float[Tensor, "unit neuron"]:
        if len(self._columns):
            parts = values.unflatten(1, (-1, len(self.neurons)))
            parts[..., self._columns] = self._shift.read(parts[..., self._columns])
        return values


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
        self._files = [
            GrowingArray(self._aside / file_name(segment), n_words, segment.width, self._dtype)
            for segment in neurons.segments
        ]
        self._check_disk()
        self._aside.mkdir(parents=True, exist_ok=True)
        self._dropped: list[int] = []
        self._windows = 0
        self.words_done = self._resume()

    def append(self, layers: Sequence[Float[Tensor, "word _"]], dropped: Sequence[int] = (), windows: int = 0) -> None:
        """Add the next words; `dropped` are those without subword (0 = the first of these words), `windows` the
        windows of long sentences. Raises InputError, naming the layer, where activations are not finite.
        """
        for which, (segment, layer) in enumerate(zip(self._neurons.segments, layers, strict=True)):
            self._check(segment, layer)
            if which in self._rounding.written:
                self._write(which, self._rounding.stored(which, layer, is_first=self.words_done == 0))
        if not self._rounding.anew:
            self._dropped += [self.words_done + row for row in dropped]
            self._windows += windows
        self.words_done += len(layers[0])
        self._mark()

    def settle(self) -> bool:
        """Whether nothing more is to be appended. If float16 takes too much of a neuron, by the moments of all words,
        the writer begins anew: all words are to be appended again, and the layers that failed take them.
        """
        failed = self._rounding.failed(self._n_words)
        if not failed or self._rounding.anew:
            return True
        log.warning(
            "%s: all words are read again for %s: float16 would take %s, which the first words did not show.",
            self._title or self.folder.name, *self._rounding.loss(failed, self._n_words),
        )  # fmt: skip
        self._rounding.begin_anew(failed, self._n_words)
        self.words_done = 0
        self._mark()
        for which in failed:
            self._files[which].cut(0)
        return False

    def finish(self) -> None:
        """Write the index and give the folder its name in one step. Raises StoreError before the last word, and
        InputError where float16 takes too much of a neuron however it is stored.
        """
        self._check_whole()
        names = [file_name(segment) for segment in self._neurons.segments]
        shifted = self._rounding.shifted(self._n_words)
        if shifted:
            np.save(self._aside / SHIFT, torch.stack(self._rounding.shift).numpy())
            names.append(SHIFT)
            log.info("%s: %s.", self._title or self.folder.name, self._rounding.account(shifted))
        index = {
            "schema": SCHEMA_SHIFTED if shifted else SCHEMA,
            "title": self._title,
            "fingerprint": self._fingerprint,
            "segments": self._neurons.as_list(),
            "words": self._n_words,
            "dtype": str(self._dtype).removeprefix("torch."),
            "dropped": self._dropped,
            "windows": self._windows,
            "sha256": {name: file_digest(self._aside / name) for name in names},
            **({"shifted": shifted} if shifted else {}),
        }
        write_json(self._aside / "index.json", index)
        (self._aside / "progress.json").unlink()
        self._aside.rename(self.folder)

    def _check_whole(self) -> None:
        if self.words_done != self._n_words:
            raise StoreError(f"{self._aside} must have {self._n_words:,} rows, got {self.words_done:,}")
        failed = self._rounding.failed(self._n_words)
        if failed:
            layers, lost = self._rounding.loss(failed, self._n_words)
            raise InputError(f"a float16 store must keep {layers}, got {lost} lost; use activations.dtype=float32.")

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

    def _write(self, which: int, values: Tensor) -> None:
        try:
            self._files[which].append(values)
        except OSError as error:
            shutil.rmtree(self._aside, ignore_errors=True)
            raise InputError(
                f"activations.folder must be writable to the end, got {error.strerror} at {self._files[which].path}; "
                "nothing half-written is left; free space or choose another folder."
            ) from error

    def _check(self, segment: Segment, layer: Tensor) -> None:
        peak = finite_peak(segment, layer)
        if peak > torch.finfo(self._dtype).max:
            raise InputError(
                f"activations of layer {segment.layer} must be below 65,504 for a float16 store, "
                f"got {peak:,.0f}; use activations.dtype=float32."
            )

    def _resume(self) -> int:
        self._rounding = Rounding(self._neurons, self._dtype)
        try:
            done = self._marked()
        except (StoreError, OSError, KeyError, ValueError):
            done, self._dropped, self._windows = 0, [], 0
            self._rounding = Rounding(self._neurons, self._dtype)
        for which, file in enumerate(self._files):
            file.cut(self._rows(which, done))
        return done

    def _marked(self) -> int:
        """The words of the last mark. Raises StoreError where marks or files are another store's, or too short."""
        progress = read_json(self._aside / "progress.json")
        if progress["fingerprint"] != self._fingerprint:
            raise StoreError(f"{self._aside} has another fingerprint")
        self._rounding.load(progress.get("rounding", {}))
        self._dropped, self._windows = list(progress["dropped"]), int(progress["windows"])
        done = int(progress["words"])
        for which, file in enumerate(self._files):
            if file.path.stat().st_size < file.size(self._rows(which, done)):
                raise StoreError(f"{file.path} is truncated")
        return done

    def _rows(self, which: int, done: int) -> int:
        return done if which in self._rounding.written else self._n_words

    def _mark(self) -> None:
        counts = {"words": self.words_done, "dropped": self._dropped, "windows": self._windows}
        marks = {"fingerprint": self._fingerprint, **counts, "rounding": self._rounding.state()}
        write_json(self._aside / "progress.json", marks)


def finite_peak(segment: Segment, layer: Tensor) -> float:
    """The largest |activation|. Raises InputError, naming the layer, where one is not finite."""
    peak = float(layer.abs().amax()) if layer.numel() else 0.0
    if not math.isfinite(peak):
        raise InputError(
            f"activations of layer {segment.layer} must be finite, got NaN or infinity from the model; "
            "use model.dtype=float32 and activations.dtype=float32."
        )
    return peak
