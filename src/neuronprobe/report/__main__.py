"""Reports over jobs.

`python -m neuronprobe.report DIR [DIR ...]` joins the jobs below folders: what varied, with the headline numbers (mean
± deviation over seeds), failed and missing jobs named. The first folder gets jobs.csv (a line for each job), rows.csv
(all rows), jobs.md, jobs.tex and jobs.html; a folder that is a job's own gets its report.md and figures made again;
`python -m neuronprobe.report compare JOB_A JOB_B` compares two jobs on the same test sentences, with --page FILE also
as HTML.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from neuronprobe.command import ended
from neuronprobe.errors import InputError
from neuronprobe.jobs import open_job
from neuronprobe.jobs.sweep import FINISHED
from neuronprobe.report.compare import compare
from neuronprobe.report.join import join
from neuronprobe.report.page import write_report

WIDTH = 160
"""Columns of what is not shown on a screen."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help.")


def main() -> int:
    """Join or compare, and print; 2 on bad input, with one line that begins with `error: `.

    A results.json that can't be read is named and left out of the join, and gives 2 as well.
    """
    try:
        skipped = _run(sys.argv[1:], Console(width=None if sys.stdout.isatty() else WIDTH))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for line in skipped:
        print(f"error: {line} Left out.", file=sys.stderr)
    return 2 if skipped else 0


def _run(words: list[str], console: Console) -> list[str]:
    name = "python -m neuronprobe.report"
    if words[:1] == ["compare"]:
        parser = _Parser(prog=f"{name} compare", description="Paired differences of two jobs on the same sentences.")
        for which in ("JOB_A", "JOB_B"):
            parser.add_argument(which, type=Path, help="a job's folder, with predictions.npz")
        parser.add_argument("--page", type=Path, metavar="FILE", help="write the same as HTML, with a chart")
        given = vars(parser.parse_args(words[1:]))
        compare(given["JOB_A"], given["JOB_B"], console, given["page"])
        return []
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog=name, description=__doc__, formatter_class=raw)
    parser.add_argument("folders", type=Path, metavar="DIR", nargs="+", help="a job's folder, or any above several")
    folders = parser.parse_args(words).folders
    skipped = join(folders, console)
    for folder in folders:
        if (folder / "results.json").is_file() and (job := open_job(folder)).results["status"] in FINISHED:
            console.print(f"report: {write_report(job).resolve().as_uri()}", soft_wrap=True)
    return skipped


if __name__ == "__main__":
    sys.exit(ended(main))
