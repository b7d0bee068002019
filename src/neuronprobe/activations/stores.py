"""The folder of stores: what is in it, whether it is whole, and how to be rid of some of it; and its command."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console
from rich.table import Table

from neuronprobe.activations.files import StoreError
from neuronprobe.activations.store import Store, store_name
from neuronprobe.errors import InputError

ABOUT = "`python -m neuronprobe.store list|size|remove|verify`: look at the folder of stores, and tidy it."
WIDTH = 160
"""Columns of what is not shown on a screen."""


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
    others = [path.name for path in entry.folder.iterdir() if path.suffix not in (".npy", ".json", ".new")]
    if others:
        raise InputError(f"{entry.folder} must hold a store and nothing else, got {others[0]}; move it away.")
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


def main(words: Sequence[str] | None = None) -> int:
    """`python -m neuronprobe.store`: 0; 1 if a store is damaged; 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m neuronprobe.store", description=ABOUT)
    parser.add_argument("--folder", type=Path, default=Path("store"), help="where the stores are (default: store)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all stores: what they hold, their size")
    commands.add_parser("size", help="what all stores take on disk")
    for name, text in (("remove", "delete stores"), ("verify", "check sizes and checksums")):
        one = commands.add_parser(name, help=text)
        one.add_argument("stores", nargs="*" if name == "verify" else "+", help="names, or how they begin")
    options = parser.parse_args(words)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        return _run(console, options)
    except InputError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False, highlight=False)
        return 2


def _run(console: Console, options: argparse.Namespace) -> int:
    found = entries(options.folder)
    if options.command == "list":
        console.print(_table(found))
    elif options.command == "size":
        console.print(f"{_size(sum(entry.size for entry in found))} in {len(found)} stores of {options.folder}")
    elif options.command == "remove":
        for entry in {(entry := find(options.folder, name)).name: entry for name in options.stores}.values():
            remove(entry)
            console.print(f"{entry.name}: removed, {_size(entry.size)} free.")
    else:
        chosen = [find(options.folder, name) for name in options.stores] or found
        faults = [(entry, entry.fault()) for entry in chosen]
        for entry, fault in faults:
            console.print(f"{entry.name}: {fault or 'whole'}.")
        return int(any(fault for _, fault in faults))
    return 0


def _table(found: Sequence[Entry]) -> Table:
    table = Table("store", "first extracted for", "rows", "neurons", "sites", "dtype", "size")
    for entry in found:
        if not entry.is_finished:
            table.add_row(entry.name, "not finished", "", "", "", "", _size(entry.size))
            continue
        index = entry.index
        segments = index["segments"]
        sites = ", ".join(f"{site} {_layers(segments, site)}" for site in dict.fromkeys(s["site"] for s in segments))
        rows, neurons = f"{index['words']:,}", f"{sum(segment['width'] for segment in segments):,}"
        table.add_row(entry.name, index.get("title", ""), rows, neurons, sites, _dtype(index), _size(entry.size))
    return table


def _layers(segments: Sequence[dict[str, int | str]], site: str) -> str:
    layers = [int(segment["layer"]) for segment in segments if segment["site"] == site]
    return f"{min(layers)}–{max(layers)}" if len(layers) > 1 else str(layers[0])


def _dtype(index: dict[str, Any]) -> str:
    """How numbers are kept, and how many neurons are shifted because float16 alone would take too much of them."""
    n_shifted = sum(len(layer["neurons"]) for layer in index.get("shifted", {}).values())
    return f"{index['dtype']}, {n_shifted:,} shifted" if n_shifted else str(index["dtype"])


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.1f} MiB"
