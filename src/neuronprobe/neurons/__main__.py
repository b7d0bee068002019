"""`python -m neuronprobe.neurons JOB [NEURON …]`: the words that excite and inhibit neurons of a finished job.

A neuron is LAYER:INDEX (3:17), with its site or role before it where several have it (mlp:3:17, head:3:17). Without
one, the most salient neurons of the job. Read from the job's store and corpus; no model runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from neuronprobe.command import ended
from neuronprobe.corpora import SPLITS
from neuronprobe.errors import InputError
from neuronprobe.gallery import neuron_portraits
from neuronprobe.portraits.html import page
from neuronprobe.portraits.terminal import print_portraits
from neuronprobe.writing import write_bytes, write_json

WIDTH = 120
"""Columns of what is not shown on a screen."""


def main(words: Sequence[str] | None = None) -> int:
    """0, or 2 for bad input."""
    options = vars(_parser().parse_args(words))
    as_json, as_html = options.pop("json"), options.pop("html")
    try:
        found = neuron_portraits(**options)
        print_portraits(Console(width=None if sys.stdout.isatty() else WIDTH), found)
        if as_json:
            write_json(as_json, [asdict(portrait) for portrait in found])
        if as_html:
            write_bytes(as_html, page(found).encode())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m neuronprobe.neurons", description=__doc__, formatter_class=raw)
    parser.add_argument("job", metavar="JOB", help="a job's folder")
    parser.add_argument("neurons", metavar="NEURON", nargs="*", help="[SITE or ROLE:]LAYER:INDEX")
    parser.add_argument("--top", type=int, help="so many of the most salient neurons too (10 where none is named)")
    parser.add_argument("--split", default="train", choices=SPLITS, help="whose words (default: train)")
    parser.add_argument("--words", type=int, default=10, help="in a list (default: 10)")
    parser.add_argument("--sentences", type=int, default=3, help="on each side (default: 3)")
    parser.add_argument(
        "--fewest", type=int, default=2, help="times that a word of the list by mean occurs (default: 2)"
    )
    parser.add_argument("--store", help="the folder of stores, where it is not the job's")
    parser.add_argument("--allow-targets", nargs="+", default=(), metavar="PACKAGE.", help="of a corpus from outside")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write them as data")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write them as a page, searchable")
    return parser


if __name__ == "__main__":
    sys.exit(ended(main))
