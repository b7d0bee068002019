"""The whole main job on a GPU under bf16-mixed against the CPU in float32: `python benchmarks/gpu.py [OVERRIDE …]`.

Both run `train.py` with the overrides given (a corpus, a model); seconds per stage and accuracies stand side by side.
`--gpu-only` leaves the CPU out (for a large model)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]
JOBS = {"gpu": ["trainer=gpu"], "cpu": ["trainer=cpu", "model.device=cpu"]}


def run(name: str, overrides: list[str], folder: Path) -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "train.py"), *JOBS[name], *overrides]
    command += [f"hydra.run.dir={folder / name}", f"activations.folder={folder / 'store' / name}"]
    subprocess.run(command, check=True)
    return dict(json.loads((folder / name / "results.json").read_text()))


def accuracy(results: dict[str, Any], **wanted: Any) -> str:
    wanted |= {"split": "test"}
    found = [r for r in results["rows"] if all(r.get(key) == value for key, value in wanted.items())]
    return f"{found[0]['value']:.4f} [{found[0]['low']:.4f}, {found[0]['high']:.4f}]" if found else "-"


def main() -> None:
    if "--help" in sys.argv:
        sys.exit(__doc__)
    if not torch.cuda.is_available():
        sys.exit("error: this benchmark must run on a machine with a GPU, got none.")
    names = ["gpu"] if "--gpu-only" in sys.argv else ["gpu", "cpu"]
    overrides = [word for word in sys.argv[1:] if word != "--gpu-only"]
    with tempfile.TemporaryDirectory() as temporary:
        results = {name: run(name, overrides, Path(temporary)) for name in names}
    print(f"\n{torch.cuda.get_device_name()}\n\n| | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for stage in results["gpu"]["seconds"]:
        print(f"| {stage}, s | {' | '.join(str(results[name]['seconds'].get(stage)) for name in names)} |")
    for study, which in (("oracle", "all"), ("ablation", "top"), ("retraining", "top")):
        cells = [accuracy(results[name], study=study, set=which, metric="accuracy") for name in names]
        print(f"| {study}, {which} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
