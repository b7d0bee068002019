"""A finished job read back from its folder: configuration, rows, rankings, probe, per-sentence scores."""

from __future__ import annotations

import csv
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuronprobe.errors import InputError, one_line
from neuronprobe.jobs.files import read_results, read_shown
from neuronprobe.neurons import Neuron, NeuronTable
from neuronprobe.portraits import Portrait
from neuronprobe.probes import Probe, load_probe
from neuronprobe.shown import Figure, Table
from neuronprobe.targets import FIRST, Target

BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""What numpy and zipfile raise where a file is no archive of arrays."""


@dataclass(frozen=True)
class Job:
    """What a job left; files are read when they are asked for. Raises InputError where one is missing or broken."""

    folder: Path

    @cached_property
    def results(self) -> Mapping[str, Any]:
        """results.json as plain data."""
        return read_results(self.folder / "results.json")

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration that it ran with."""
        return dict(self.results["config"])

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Every number, with what it is about."""
        return list(self.results["rows"])

    @property
    def verdict(self) -> str:
        """What the top neurons beat, in a sentence; empty for a job that failed."""
        return str(self.results.get("verdict") or "")

    @property
    def tables(self) -> list[Table]:
        """What its studies show of themselves."""
        return self._shown[0]

    @property
    def figures(self) -> list[Figure]:
        """The pictures of its studies, as data."""
        return self._shown[1]

    @property
    def remarks(self) -> list[str]:
        """What its studies say of themselves, in sentences."""
        return [str(remark) for remark in self.results.get("remarks") or ()]

    @cached_property
    def portraits(self) -> list[Portrait]:
        """What excites and what inhibits its most salient neurons; none where it has no portraits.json."""
        path = self.folder / "portraits.json"
        try:
            return [Portrait.read(plain) for plain in json.loads(path.read_bytes())] if path.is_file() else []
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path} must be portraits of a job's neurons, got {one_line(error)}.") from error

    @cached_property
    def _shown(self) -> tuple[list[Table], list[Figure]]:
        return read_shown(self.folder / "results.json", self.results)

    def frame(self) -> Any:
        """The rows as a pandas data frame. Raises InputError where pandas is not installed."""
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("rows as a data frame need pandas, got none; pip install pandas.") from error
        return pd.DataFrame(self.rows)

    @cached_property
    def _saved(self) -> tuple[Probe, Target, list[dict[str, Any]]]:
        return load_probe(self.folder / "probe.safetensors")

    @property
    def probe(self) -> Probe:
        """The chosen probe."""
        return self._saved[0]

    @property
    def target(self) -> Target:
        """What it predicts; of values also what makes its output one."""
        return self._saved[1]

    @property
    def labels(self) -> list[str]:
        """Its label set, or the property that has values: the rows of its weights."""
        return list(self.target.names)

    @property
    def table(self) -> NeuronTable:
        """Its neurons: the columns of its weights."""
        return NeuronTable.from_list(self._saved[2])

    @cached_property
    def rankings(self) -> dict[str, list[Neuron]]:
        """All neurons of each ranking, most salient first; the primary ranking first."""
        names = dict.fromkeys(row["ranking"] for row in self.rows if row["study"] == "ranking")
        files = {name: "ranking.csv" if i == 0 else f"ranking_{name}.csv" for i, name in enumerate(names)}
        return {name: _neurons(self.folder / file) for name, file in files.items()}

    @cached_property
    def correct(self) -> dict[str, Tensor]:
        """Units of each test sentence (`units`), and correct ones for each probe; `[draw, sentence]` for drawn sets.

        Of values: total sums of squares (`squares`), and how much each probe explains of them.
        """
        path = self.folder / "predictions.npz"
        if not path.is_file():
            raise InputError(
                f"JOB must be a job's folder with predictions.npz, got {str(self.folder)!r}, which has none."
            )
        arrays = _arrays(path)
        units, what = next(((arrays[name], name) for name in FIRST if name in arrays), (None, "units"))
        kinds = "iu" if what == "units" else "f"
        if units is None or units.ndim != 1 or not _is_finite(units, kinds) or not units.sum() or units.min() < 0:
            raise InputError(f"{path} must hold the {what} of each test sentence, got none; run the job again.")
        for name, found in arrays.items():
            is_whole = found.ndim in (1, 2) and found.size and _is_finite(found, kinds)
            if not is_whole or found.shape[-1:] != units.shape or (found > units).any() or _is_below(found, kinds):
                raise InputError(
                    f"{path} must hold correct {what} for each of {len(units)} sentences, {name} does not."
                )
        dtype = np.int64 if kinds == "iu" else np.float64
        return {name: torch.from_numpy(found.astype(dtype)) for name, found in arrays.items()}

    @property
    def denominator(self) -> str:
        """The name in `correct` of what all others there are parts of."""
        return next(name for name in FIRST if name in self.correct)


def _is_finite(numbers: Any, kinds: str) -> bool:
    return numbers.dtype.kind in kinds and bool(np.isfinite(numbers).all())


def _is_below(numbers: Any, kinds: str) -> bool:
    """Whether there are counts below 0, which squares that are explained may be."""
    return kinds == "iu" and bool((numbers < 0).any())


def open_job(folder: str | Path) -> Job:
    """The job in a folder. Raises InputError where there is none."""
    path = Path(folder)
    if not (path / "results.json").is_file():
        raise InputError(f"folder must be that of a job, with results.json, got {str(folder)!r}.")
    return Job(path)


def _arrays(path: Path) -> dict[str, Any]:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("one array, no archive of several")
        with archive:
            return {name: archive[name] for name in archive.files}
    except BROKEN as error:
        raise InputError(f"{path} must be the predictions of a job, got a broken file: {one_line(error)}") from error


def _neurons(path: Path) -> list[Neuron]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        return [
            Neuron(
                line["site"], int(line["layer"]), int(line["neuron"]), line["role"] or None,
                int(line["attention_head"]) if line.get("attention_head") else None,
            )
            for line in lines
        ]  # fmt: skip
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} must be a ranking of a job, got {one_line(error)}.") from error
