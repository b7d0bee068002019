"""Kills the main job (-9) at random points, then runs it again in the same folder; the rows must be those of
an uninterrupted run. `python benchmarks/kill.py [--kills 20] [override …]`"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SMALL = ["probe.epochs=6", "callbacks.retraining.draws=1", "callbacks.retraining.sizes=[0.02,0.1]"]


def start(folder: Path, store: Path, overrides: list[str], log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "train.py"), f"hydra.run.dir={folder}", f"activations.folder={store}"]
    with log.open("ab") as output:
        return subprocess.Popen([*command, *SMALL, *overrides], cwd=ROOT, stdout=output, stderr=output)


def rows(folder: Path) -> Any:
    results = json.loads((folder / "results.json").read_text())
    assert results["status"] == "ok", results
    return results["rows"]


def wait_for_work(log: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the corpus summary is printed: before, there is nothing to lose."""
    while process.poll() is None and b"majority" not in log.read_bytes():
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options, overrides = parser.parse_known_args()
    points = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        log = home / "whole.log"
        process = start(home / "whole", home / "store-whole", overrides, log)
        wait_for_work(log, process)
        began = time.monotonic()
        assert process.wait() == 0, log.read_text()[-2000:]
        length, expected = time.monotonic() - began, rows(home / "whole")
        print(f"uninterrupted: {length:.1f} s of work, {len(expected)} rows", flush=True)
        equal = 0
        for kill in range(options.kills):
            folder, store, log = home / f"job-{kill}", home / f"store-{kill}", home / f"{kill}.log"
            process = start(folder, store, overrides, log)
            wait_for_work(log, process)
            after = points.uniform(0, length)
            time.sleep(after)
            process.kill()
            process.wait()
            left = sorted(path.name for path in folder.glob("*"))
            again = start(folder, store, overrides, log).wait()
            same = again == 0 and rows(folder) == expected
            equal += same
            how = (
                "resumed"
                if b"Going on" in log.read_bytes() or b"going on" in log.read_bytes()
                else "from the store or anew"
            )
            print(
                f"kill {kill + 1} after {after:.1f} s, left {left}: {how}, rows {'equal' if same else 'DIFFER'}",
                flush=True,
            )
        print(f"{equal} of {options.kills} equal")
    sys.exit(equal != options.kills)


if __name__ == "__main__":
    main()
