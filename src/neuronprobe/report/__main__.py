"""`python -m neuronprobe.report DIR`: join the jobs below a folder into one table (jobs.csv) and print it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from neuronprobe.errors import InputError
from neuronprobe.report.join import join


def main() -> int:
    """Join and print; 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m neuronprobe.report", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a job's folder, or any folder above several")
    try:
        join(parser.parse_args().folder, Console())
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
