"""The folder of stores: what is in it, whether it is whole, and how to be rid of some of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from neuronprobe.activations.files import StoreError
from neuronprobe.activations.store import Store, store_name
from neuronprobe.errors import InputError


@dataclass(frozen=True)
class Entry:
    """One store, finished or not: its folder, its index (or its marks of progress) and its bytes on disk."""

    folder: Path
    index: dict[str, Any]
    size: int

    @property
    def name(self) -> str:
        """The head of its fingerprint's sha256."""
        return self.folder.name

    @property
    def is_finished(self) -> bool:
        """Whether the extraction came to its end."""
        return not self.name.endswith(".partial")

    def fault(self) -> str | None:
        """What is wrong with a finished store, by sizes and checksums; None if nothing."""
        if not self.is_finished:
            return "not finished: the job that needs it goes on with it"
        if store_name(self.index["fingerprint"]) != self.name:
            return "its name is not that of its fingerprint"
        try:
            Store(self.folder, self.index["fingerprint"])
        except (StoreError, KeyError, ValueError) as error:
            return str(error)
        return None


def entries(folder: Path) -> list[Entry]:
    """All stores of a folder, by name. Raises InputError where there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"the folder of stores must be a folder, got {str(folder)!r}; give it with --folder.")
    return sorted(_entries(folder), key=lambda entry: entry.name)


def find(folder: Path, name: str) -> Entry:
    """The store whose name begins with `name`. Raises InputError unless there is exactly one."""
    found = [entry for entry in entries(folder) if entry.name.startswith(name)]
    found = [entry for entry in found if entry.name == name] or found
    if len(found) != 1:
        known = ", ".join(entry.name for entry in entries(folder)) or "none"
        raise InputError(f"a store must be one of {known} (or how one of them begins), got {name!r}.")
    return found[0]


def remove(entry: Entry) -> None:
    """Delete a store. Raises InputError while a job writes it, or where something else lies in its folder."""
    foreign = [path.name for path in entry.folder.iterdir() if path.suffix not in (".npy", ".json", ".new")]
    if foreign:
        raise InputError(f"{entry.folder} must hold a store and nothing else, got {foreign[0]}; move it away.")
    lock = entry.folder.with_name(f"{entry.name.removesuffix('.partial')}.lock")
    try:
        with FileLock(lock, timeout=0):
            shutil.rmtree(entry.folder)
    except Timeout as error:
        raise InputError(
            f"store {entry.name} must not be in use, got one that a job is writing; wait for it."
        ) from error
    lock.unlink(missing_ok=True)


def _entries(folder: Path) -> Iterator[Entry]:
    for path in folder.iterdir():
        index = _index(path / ("progress.json" if path.name.endswith(".partial") else "index.json"))
        if index is not None:
            yield Entry(path, index, sum(file.stat().st_size for file in path.iterdir() if file.is_file()))


def _index(path: Path) -> dict[str, Any] | None:
    """What a store says of itself; None if it is no store."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    wanted = (
        {"fingerprint"} if path.name == "progress.json" else {"schema", "fingerprint", "segments", "words", "dtype"}
    )
    return found if isinstance(found, dict) and wanted <= set(found) else None
