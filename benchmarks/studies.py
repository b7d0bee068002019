"""Minimal set, ranking and resamples against NeuroX: `python benchmarks/studies.py EWT_FOLDER --neurox PYTHON`.

MiniLM × UPOS, UD English EWT's dev trains (25,147 words × 2,688 neurons × 17 labels), 10 epochs. The minimal-set search
retrains on 1 %, 2 % … 20 % of the neurons, top, random and bottom: 60 probes, one bank here and 60 fits there, on the
same neurons. Resamples: 50 members of one bank at the chosen λ, against one of NeuroX's probes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ewt
import numpy as np
import torch

from neuronprobe.activations import Split
from neuronprobe.neurons import bottom, random, size, top
from neuronprobe.probes import Fit, Member
from neuronprobe.quiet import quiet
from neuronprobe.rankings.lca import by_mass
from neuronprobe.studies.ranking import neurons_at
from neuronprobe.studies.resamples import resampled, resamples

L1, L2 = 1e-3, 1e-4
RESAMPLES = 50
HERE = Path(__file__).parent


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def write(path: Path, train: Split, weights: torch.Tensor, sets: list[torch.Tensor]) -> None:
    padded = np.full((len(sets), max(map(len, sets))), -1)
    for row, chosen in zip(padded, sets, strict=True):
        row[: len(chosen)] = chosen
    activations = torch.cat([batch.activations for batch in train.blocks()]).numpy()
    np.savez(path, train=activations, train_labels=train.units.labels.numpy(), weights=weights.numpy(), sets=padded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", type=Path)
    parser.add_argument("--neurox", metavar="PYTHON", required=True)
    parser.add_argument("--store", default="store")
    parser.add_argument("--sizes", type=int, default=20, metavar="PERCENT", help="largest set, in percent")
    options = parser.parse_args()
    quiet()
    train = ewt.module(options.treebank, options.store).split("train")
    fit = Fit(L1, L2)
    (probe,) = fit([Member(L1, L2)], train)
    weights = probe.trained_weights.float()
    rankings = [clock(lambda: by_mass(weights)) for _ in range(5)]
    ranking_seconds, ranking = statistics.median(seconds for seconds, _ in rankings), rankings[0][1]
    sizes = [size("share", percent / 100, len(train.neurons)) for percent in range(1, options.sizes + 1)]
    order, n = ranking.order, len(train.neurons)
    sets = [chosen for k in sizes for chosen in (top(order, k), random(n, k, seed=k), bottom(order, k))]
    bank, _ = clock(lambda: fit([Member(L1, L2, 0, chosen) for chosen in sets], train))
    members = resampled(probe, resamples(train.units, RESAMPLES, seed=0))
    resampling, _ = clock(lambda: fit(members, train))
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "data.npz"
        write(path, train, weights, sets)
        command = [options.neurox, str(HERE / "neurox" / "studies.py"), str(path), str(L1), str(L2)]
        theirs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"{torch.get_num_threads()} threads; {len(train):,} × {n:,} × {train.n_labels}")
    ratio = theirs["retraining"] / bank
    print(f"{len(sets)} retrainings: bank {bank:.1f} s, NeuroX {theirs['retraining']:.1f} s: {ratio:.1f} ×")
    ratio = theirs["ranking"] / ranking_seconds
    print(f"ranking: {1000 * ranking_seconds:.1f} ms, NeuroX at stride 1000 {theirs['ranking']:.2f} s: {ratio:.0f} ×")
    print(
        f"{RESAMPLES} resamples: {resampling:.1f} s, one probe of NeuroX {theirs['probe']:.1f} s: "
        f"{resampling / theirs['probe']:.1f} of its probes"
    )
    cuts = [ranking.first_block, *(neurons_at(ranking, percent / 100) for percent in range(1, 101))]
    same = [sorted(top(order, cut).tolist()) == found for cut, found in zip(cuts, theirs["sets"], strict=True)]
    print(f"sets at NeuroX's 101 cut-offs for the same weights: {sum(same)} equal", end="")
    print(f"; not at {[p for p, is_same in enumerate(same) if not is_same]} %" if not all(same) else "")


if __name__ == "__main__":
    main()
