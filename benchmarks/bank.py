"""A bank of 49 (λ1, λ2) pairs against NeuroX's single probe: `python benchmarks/bank.py EWT_FOLDER --neurox PYTHON`.

MiniLM × UPOS, UD English EWT's dev trains (25,147 words × 2,688 neurons × 17 labels), test is scored; 10 epochs each,
ours with batches of 512, NeuroX with its 32. Accuracies are compared where both penalties mean the same."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import ewt
import numpy as np
import torch

from neuronprobe.activations import Split
from neuronprobe.probes import Fit, score
from neuronprobe.quiet import quiet

LAMBDAS = [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
COMPARED = [(0.0, 0.0), (1e-5, 1e-5), (1e-4, 1e-4), (1e-3, 1e-4), (1e-2, 1e-4)]
HERE = Path(__file__).parent


def whole(split: Split) -> np.ndarray:
    return torch.cat([batch.activations for batch in split.blocks()]).numpy()


def neurox(python: str, data: Path, l1: float, l2: float) -> dict[str, float]:
    command = [python, str(HERE / "neurox" / "probe.py"), str(data), str(l1), str(l2)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", type=Path)
    parser.add_argument("--neurox", metavar="PYTHON", required=True)
    parser.add_argument("--store", default="store")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    quiet()
    data = ewt.module(options.treebank, options.store)
    train, test = data.split("train"), data.split("test")
    fit = Fit(LAMBDAS, LAMBDAS, precision=options.precision)
    times: list[float] = []
    peers: list[float] = []
    peer_accuracy: dict[tuple[float, float], float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "data.npz"
        labels = {"train_labels": train.units.labels.numpy(), "test_labels": test.units.labels.numpy()}
        np.savez(path, train=whole(train), test=whole(test), **labels)
        for run in range(options.runs):
            start = time.perf_counter()
            probes = fit(fit.grid(), train)
            times.append(time.perf_counter() - start)
            pairs = COMPARED if run == 0 else COMPARED[1:2]
            for pair in pairs:
                found = neurox(options.neurox, path, *pair)
                peer_accuracy.setdefault(pair, found["accuracy"])
                if pair == COMPARED[1]:
                    peers.append(found["seconds"])
    accuracy = {(p.l1, p.l2): float(a) for p, a in zip(probes, score(probes, test).accuracy, strict=True)}
    ratio = statistics.median(ours / peer for ours, peer in zip(times, peers, strict=True))
    shown = ", ".join(f"{t:.1f}" for t in times), ", ".join(f"{t:.1f}" for t in peers)
    print(f"{options.precision}, {torch.get_num_threads()} threads")
    print(f"bank of {len(probes)}: {shown[0]} s; NeuroX's one probe: {shown[1]} s; bank / probe {ratio:.1f} (median)")
    print(f"so NeuroX's {len(probes)} probes take {len(probes) / ratio:.1f} times as long as the bank\n")
    print("| λ1 | λ2 | bank | NeuroX | bank − NeuroX, points |\n|---|---|---|---|---|")
    for pair, theirs in peer_accuracy.items():
        gain = 100 * (accuracy[pair] - theirs)
        print(f"| {pair[0]:g} | {pair[1]:g} | {accuracy[pair]:.4f} | {theirs:.4f} | {gain:+.2f} |")


if __name__ == "__main__":
    main()
