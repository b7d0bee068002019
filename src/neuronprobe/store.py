"""`python -m neuronprobe.store list|size|remove|verify`: look at the folder of stores, and tidy it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from neuronprobe.activations.shelf import Entry, entries, find, remove
from neuronprobe.errors import InputError

WIDTH = 160
"""Columns of what is not shown on a screen."""


def main(words: Sequence[str] | None = None) -> int:
    """0; 1 if a store is damaged; 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m neuronprobe.store", description=__doc__)
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
        neurons = sum(segment["width"] for segment in segments)
        table.add_row(
            entry.name,
            index.get("title", ""),
            f"{index['words']:,}",
            f"{neurons:,}",
            sites,
            _dtype(index),
            _size(entry.size),
        )
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


if __name__ == "__main__":
    sys.exit(main())
