"""Accuracy on UD English EWT with little data: dev (25,147 words) trains, the first 2,001 sentences of train choose λ,
test is reported. `python benchmarks/accuracy.py EWT_FOLDER [override …]` prints one table."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def run_job(folder: Path, overrides: list[str]) -> dict[str, Any]:
    """One main job in a process of its own."""
    command = [sys.executable, str(ROOT / "train.py"), f"hydra.run.dir={folder}", *overrides]
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)
    return dict(json.loads((folder / "results.json").read_text()))


def first_sentences(source: Path, target: Path, n: int) -> Path:
    """The first n sentences of a CoNLL-U file."""
    target.write_text("\n\n".join(source.read_text(encoding="utf-8").split("\n\n")[:n]) + "\n\n", encoding="utf-8")
    return target


def main() -> None:
    treebank, overrides = Path(sys.argv[1]).resolve(), sys.argv[2:]
    with tempfile.TemporaryDirectory() as temporary:
        held_out = first_sentences(treebank / "en_ewt-ud-train.conllu", Path(temporary) / "dev.conllu", 2001)
        files = [
            "corpus=conllu",
            f"corpus.train={treebank / 'en_ewt-ud-dev.conllu'}",
            f"corpus.dev={held_out}",
            f"corpus.test={treebank / 'en_ewt-ud-test.conllu'}",
        ]
        results = run_job(Path(temporary) / "job", [*files, *overrides])
    rows = results["rows"]
    tests = [r for r in rows if r["study"] == "lambda_search" and r["split"] == "test"]
    best = max(tests, key=lambda r: r["value"])
    print(f"best oracle of the grid: {best['value']:.4f} at λ1 {best['l1']:g}, λ2 {best['l2']:g}")
    chosen = next(r for r in tests if r["chosen"])
    print(f"chosen λ: {chosen['value']:.4f} at λ1 {chosen['l1']:g}, λ2 {chosen['l2']:g}\n")
    print("| study | neurons | top | random | same layers | bottom |\n|---|---|---|---|---|---|")
    found = [r for r in rows if r["split"] == "test" and r["study"] in ("ablation", "retraining")]
    for study, k in dict.fromkeys((r["study"], r["k"]) for r in found):
        cells = []
        for name in ("top", "random", "layer_matched", "bottom"):
            metric = "accuracy" if name in ("top", "bottom") else "mean_accuracy"
            here = [r for r in found if (r["study"], r["k"], r["set"], r["metric"]) == (study, k, name, metric)]
            cells.append(f"{here[0]['value']:.4f}" if here else "-")
        print(f"| {study} | {k} | {' | '.join(cells)} |")
    print(f"\n{results['verdict']}\nseconds: {results['seconds']}")


if __name__ == "__main__":
    main()
