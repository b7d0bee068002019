"""The files of a job's folder: results.json, predictions.npz, and what studies leave."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Real
from torch import Tensor

from neuronprobe.errors import InputError, one_line
from neuronprobe.shown import Figure, Table
from neuronprobe.types import Result, Row
from neuronprobe.writing import write_bytes, write_json

SCHEMA = 1
OWN = ("results.json", "predictions.npz", "probe.safetensors", "report.md", "report.html")
"""The files that every job has."""
PICTURES = ("png", "svg", "pdf")
"""The files of a figure."""
PACKAGES = (
    "neuronprobe",
    "torch",
    "pytorch-lightning",
    "transformers",
    "tokenizers",
    "hydra-core",
    "torchmetrics",
    "numpy",
)


def assemble(status: str, config: Any, rows: Sequence[Row] = (), **about: Any) -> dict[str, Any]:
    """The content of results.json; `about` holds fingerprint, seconds, verdict, or the error of a failed job."""
    return {
        "schema": SCHEMA,
        "status": status,
        "config": _finite(config),
        "versions": versions(),
        "git": git_commit(),
        "fingerprint": about.pop("fingerprint", None),
        "seconds": about.pop("seconds", {}),
        **about,
        "rows": _finite([row.as_dict() for row in rows]),
    }


def write_results(folder: Path, results: Mapping[str, Any]) -> Path:
    """Write results.json in one step."""
    return write_json(folder / "results.json", results)


def write_files(folder: Path, studies: Sequence[Result]) -> None:
    """Write what each study leaves, each file in one step.

    Raises InputError for a name that is a path, a job's own or another study's, before anything is written; the names
    of figures count too.
    """
    found: dict[str, bytes] = {}
    taken = set(OWN)
    for own in studies:
        for name in (*own.files, *(f"{one.name}.{ending}" for one in own.figures for ending in PICTURES)):
            if Path(name).name != name or name in ("", "..") or name in taken:
                raise InputError(f"a study's file must have a name of its own in the job's folder, got {name!r}.")
            taken.add(name)
        found |= own.files
    for name, content in found.items():
        write_bytes(folder / name, content)


def write_predictions(folder: Path, correct: Mapping[str, Real[Tensor, "*draw sentence"]]) -> None:
    """Write predictions.npz: units of each test sentence, and correct ones for each reported probe.

    Of values: the total sum of squares (`squares`), and how much of it each probe explains. Sets that were drawn are
    arrays `[draw, sentence]`.
    """
    from io import BytesIO

    buffer = BytesIO()
    arrays: dict[str, Any] = {name: _small(counts.numpy()) for name, counts in correct.items()}
    np.savez_compressed(buffer, **arrays)
    write_bytes(folder / "predictions.npz", buffer.getvalue())


def _small(counts: Any) -> Any:
    """The same numbers, whole ones in as few bytes as they need."""
    return counts if counts.dtype.kind == "f" else counts.astype(np.min_scalar_type(int(counts.max(initial=0))))


def read_results(path: Path) -> dict[str, Any]:
    """A results.json as plain data. Raises InputError unless a job of this schema wrote it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be a job's results.json, got {one_line(error)}") from error
    wanted = {"schema": int, "status": str, "config": dict, "rows": list}
    if not isinstance(found, dict) or not all(isinstance(found.get(key), kind) for key, kind in wanted.items()):
        raise InputError(f"{path} must be a job's results.json with {', '.join(wanted)}, got something else.")
    if found["schema"] != SCHEMA:
        raise InputError(f"{path} must have schema {SCHEMA}, got {found['schema']}; use the version that wrote it.")
    if not all(_is_row(row) for row in found["rows"]):
        raise InputError(f"{path} must have rows with study, metric, value and the like, got others.")
    return found


def read_shown(path: Path, results: Mapping[str, Any]) -> tuple[list[Table], list[Figure]]:
    """The tables and figures in the results of a job. Raises InputError where they are none."""
    try:
        tables = [Table.read(one) for one in results.get("tables") or ()]
        return tables, [Figure.read(one) for one in results.get("figures") or ()]
    except (TypeError, KeyError, AttributeError, InputError) as error:
        raise InputError(f"{path} must have tables and figures of studies, got others: {one_line(error)}") from error


def _is_row(row: Any) -> bool:
    columns = {f.name for f in fields(Row) if f.name != "flags"}
    if not isinstance(row, dict) or not columns <= set(row) or not isinstance(row["study"], str):
        return False
    is_number = all(isinstance(row[name], int | float | None) for name in ("value", "low", "high", "share"))
    return is_number and isinstance(row["k"], int if row["study"] == "oracle" else int | None)


def versions() -> dict[str, str]:
    """Installed versions of what decides numbers."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str | None:
    """The commit of the source, with `+` where files differ from it; None outside a repository."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return commit + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    run = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10)
    return run.stdout.strip()


def _finite(content: Any) -> Any:
    """Plain data with null for NaN and infinity, which JSON does not have."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
