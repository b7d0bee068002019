"""Two runs on the same test sentences, compared pairwise: which probe is better, with an interval."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from neuronprobe.errors import InputError, one_line
from neuronprobe.report.results import read_results
from neuronprobe.studies.intervals import Bootstrap

BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""What numpy and zipfile raise where a file is no archive of arrays."""
DRAW = re.compile(r"(.+/.+-\d+)-\d+")
"""study/set-k-draw: the draws of a random set are read as their mean."""
SEED = 0


@dataclass(frozen=True)
class Difference:
    """Accuracy on test of one probe in both jobs (the mean over the draws of a random set), and first − second."""

    probe: str
    first: float
    second: float
    value: float
    low: float
    high: float


def compare(first: Path, second: Path, console: Console) -> list[Difference]:
    """Print first − second for each probe that both jobs have, paired over test sentences, and return it.

    Raises InputError where a job's predictions can't be read or the jobs have other test sentences.
    """
    one, other = _read(first), _read(second)
    _same_sentences(first, second, one["units"], other["units"])
    bootstrap = Bootstrap(one["units"], SEED)
    ours, theirs = _probes(one), _probes(other)
    shared = [name for name in ours if name in theirs]
    if not shared:
        raise InputError(f"the jobs must have a probe in common, got none in {str(first)!r} and {str(second)!r}.")
    found = [_difference(name, ours[name], theirs[name], one["units"], bootstrap) for name in shared]
    _show(found, first, second, console)
    alone = len(set(ours) ^ set(theirs))
    if alone:
        console.print(f"{alone} probes are in one job only and left out.")
    return found


def _read(job: Path) -> Mapping[str, Tensor]:
    """Units and correct ones per test sentence. InputError unless the file is what a job writes."""
    path = job / "predictions.npz"
    if not path.is_file():
        raise InputError(f"JOB must be a job's folder with predictions.npz, got {str(job)!r}, which has none.")
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("one array, no archive of several")
        with archive:
            arrays = {name: archive[name] for name in archive.files}
    except BROKEN as error:
        raise InputError(f"{path} must be the predictions of a job, got a broken file: {one_line(error)}") from error
    units = arrays.get("units")
    if units is None or units.ndim != 1 or units.dtype.kind != "i" or not units.sum() or units.min() < 0:
        raise InputError(f"{path} must hold the units of each test sentence, got none; run the job again.")
    for name, counts in arrays.items():
        fits = counts.shape == units.shape and counts.dtype.kind == "i"
        if not fits or (counts < 0).any() or (counts > units).any():
            raise InputError(f"{path} must hold correct units for each of {len(units)} sentences, {name} does not.")
    return {name: torch.from_numpy(counts.astype(np.int64)) for name, counts in arrays.items()}


def _same_sentences(first: Path, second: Path, one: Tensor, other: Tensor) -> None:
    if len(one) != len(other) or not torch.equal(one, other):
        raise InputError(
            "the jobs must have the same test sentences with the same units, got "
            f"{len(one):,} sentences with {int(one.sum()):,} units in {str(first)!r} and {len(other):,} with "
            f"{int(other.sum()):,} in {str(second)!r}; compare jobs of one corpus and split."
        )
    forms = [_forms(job) for job in (first, second)]
    if None not in forms and forms[0] != forms[1]:
        raise InputError(
            f"the jobs must have the same test sentences, got other words in {str(first)!r} than in {str(second)!r}; "
            "compare jobs of one corpus and split."
        )


def _forms(job: Path) -> Any:
    """The digest of the test words, where the job says so."""
    path = job / "results.json"
    found = (read_results(path).get("fingerprint") or {}) if path.is_file() else {}
    test = found.get("test") if isinstance(found, dict) else None
    return test.get("forms") if isinstance(test, dict) else None


def _probes(correct: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Correct units [draw, sentence] of each probe; a set that is not drawn has one draw."""
    found: dict[str, list[Tensor]] = {}
    for name, counts in correct.items():
        if name != "units":
            drawn = DRAW.fullmatch(name)
            found.setdefault(drawn[1] if drawn else name, []).append(counts)
    return {name: torch.stack(draws) for name, draws in found.items()}


def _difference(name: str, ours: Tensor, theirs: Tensor, units: Tensor, bootstrap: Bootstrap) -> Difference:
    first, second = (float((draws.sum(1) / units.sum()).double().mean()) for draws in (ours, theirs))
    low, high = bootstrap.mean_difference(ours, theirs).tolist()
    return Difference(name, first, second, first - second, low, high)


def _show(found: list[Difference], first: Path, second: Path, console: Console) -> None:
    table = Table("probe", "first", "second", "first − second, points [95 %]", "", title="accuracy on test, %")
    for one in found:
        apart = "" if one.low <= 0 <= one.high else "apart"
        points = f"{100 * one.value:+.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
        table.add_row(one.probe, f"{100 * one.first:.1f}", f"{100 * one.second:.1f}", points, apart)
    console.print(f"first: {first}\nsecond: {second}", soft_wrap=True)
    console.print(table)
    console.print(
        "Paired over test sentences; random sets are the mean of their draws; apart: the interval leaves 0 out."
    )
