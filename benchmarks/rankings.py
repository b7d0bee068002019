"""Rankings that read activations against peers: `python benchmarks/rankings.py EWT_FOLDER --neurox PYTHON [SOURCE]`.

MiniLM × UPOS, UD English EWT's dev trains (25,147 words × 2,688 neurons × 17 labels), test judges; seconds of CPU of
one thread, ratios within one run. All rankings by moments against one reading of the store into float32; probeless,
which reads the store here, against NeuroX's of rows in memory, and of its own hdf5; average precision of all labels
against scikit-learn's for each neuron and label (a few neurons, scaled up) and NeuroX's; the Gaussian's selection of
50 against SciPy's densities fitted anew for every set (one set of half the size, scaled up) and NeuroX's (two
selections of the few neurons, scaled up by the number of sets: they grow, so that it is the least). SOURCE is a
checkout of NeuroX, whose package has probeless alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ewt
import numpy as np
import torch
from scipy.stats import multivariate_normal, spearmanr
from sklearn.metrics import average_precision_score

import neuronprobe as npb
from neuronprobe import rankings
from neuronprobe.activations import Split
from neuronprobe.quiet import quiet
from neuronprobe.rankings import Evidence
from neuronprobe.rankings.candidates import MOST
from neuronprobe.types import Ranking

FEW, SELECTED, FREQUENT = 41, 50, 60
BY_MOMENTS = ("probeless", "mean_difference", "mean_select", "f_statistic", "variance")
HERE = Path(__file__).parent


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def read(train: Split) -> None:
    for _ in train.blocks(512):
        pass


def gaussian_by_scipy(x: np.ndarray, y: np.ndarray, judged: np.ndarray, chosen: list[int]) -> np.ndarray:
    """Log-likelihoods of what is judged under each label, for one set."""
    found = []
    for label in np.unique(y):
        own = x[y == label][:, chosen]
        covariance = np.atleast_2d(np.cov(own.T, ddof=0))
        covariance = (covariance * len(own) + np.diag(np.diag(covariance))) / (len(own) + 1)
        found.append(multivariate_normal(own.mean(0), covariance, allow_singular=True).logpdf(judged[:, chosen]))
    return np.stack(found)


def moments(evidence: Evidence) -> Ranking:
    """Probeless and the others by moments, of a split that nothing is known of."""
    train = evidence.train.relabelled(evidence.train.units.labels)
    fresh = Evidence(train, evidence.dev, evidence.fit, 0, evidence.probe)
    found = [getattr(rankings, name)(fresh) for name in BY_MOMENTS]
    return found[0]


def neurox(command: list[str], x: np.ndarray, train: Split, few: np.ndarray) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        labels, sentences = train.units.labels.numpy(), train.units.sentences.numpy()
        layers = len(train.neurons.segments)
        np.savez(path, train=x, train_labels=labels, few=few, sentences=sentences, layers=layers)
        run = [command[0], str(HERE / "neurox" / "rankings.py"), str(path), *command[1:]]
        return dict(json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout))


def by_moments(evidence: Evidence, peer: dict[str, Any]) -> None:
    reading = statistics.median(clock(lambda: read(evidence.train))[0] for _ in range(5))
    runs = [clock(lambda: moments(evidence)) for _ in range(5)]
    ours, found = statistics.median(seconds for seconds, _ in runs), runs[0][1]
    print(f"read once {reading:.2f} s; {len(BY_MOMENTS)} rankings by moments {ours:.2f} s: {ours / reading:.1f} ×")
    in_memory, in_all = peer["seconds"], peer["seconds"] + peer["loading"]
    print(f"probeless with these, from the store, {ours:.2f} s; NeuroX {in_memory:.2f} s of rows in memory:", end=" ")
    print(f"{in_memory / ours:.1f} ×; {in_all:.2f} s from its hdf5: {in_all / ours:.0f} ×;", end=" ")
    positions = np.argsort(peer["order"])
    print(f"Spearman of both orders {spearmanr(found.order.argsort().numpy(), positions).statistic:.6f}")


def by_precision(evidence: Evidence, x: np.ndarray, few: np.ndarray, peer: dict[str, Any] | None) -> None:
    y, n = evidence.train.units.labels.numpy(), x.shape[1]
    ours, _ = clock(lambda: rankings.average_precision(evidence))
    by_label = [y == label for label in np.unique(y)]
    scikit, _ = clock(lambda: [average_precision_score(own, x[:, j]) for j in few for own in by_label])
    peers = {"scikit-learn": scikit} | ({"NeuroX": peer["seconds"]} if peer else {})
    said = [f"{name} {seconds * n / len(few):.0f} s: {seconds * n / len(few) / ours:.0f} ×"
            for name, seconds in peers.items()]  # fmt: skip
    print(f"average precision of all labels {ours:.1f} s; {'; '.join(said)}")
    if peer:
        same = same_orders(evidence, few, peer["orders"])
        print(f"  {same} of {len(by_label)} labels order {len(few)} neurons as NeuroX does, where above chance")


def same_orders(evidence: Evidence, few: np.ndarray, orders: list[list[int]]) -> int:
    """How many labels order the few neurons that are above chance as NeuroX does."""
    found = rankings.average_precision(replace(evidence, train=evidence.train.of(torch.from_numpy(few))))
    above = [depth.argsort(stable=True)[: int((depth < 1).sum())].tolist() for depth in found.by_label]
    return sum(own == order[: len(own)] for own, order in zip(above, orders, strict=True))


def by_gaussians(evidence: Evidence, x: np.ndarray, peer: dict[str, Any] | None) -> None:
    y = evidence.train.units.labels.numpy()
    ours, _ = clock(lambda: rankings.gaussian(evidence, k=SELECTED))
    frequent = np.isin(y, np.flatnonzero(np.bincount(y) >= FREQUENT))
    judged = torch.cat([batch.activations for batch in evidence.dev.blocks()]).numpy()[:5000]
    half = list(range(SELECTED // 2))
    scipy, _ = clock(lambda: gaussian_by_scipy(x[frequent], y[frequent], judged, half))
    print(f"Gaussian, {SELECTED} neurons, {ours:.1f} s with its pre-choice of {MOST}")
    for name, seconds in ({"SciPy": scipy} | ({"NeuroX": peer["a_set"]} if peer else {})).items():
        some, every = (seconds * SELECTED * among for among in (MOST, x.shape[1]))
        print(f"  {name} {some:,.0f} s among as many ({some / ours:,.0f} ×), {every:,.0f} s among all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", type=Path)
    parser.add_argument("--neurox", nargs="+", metavar="PYTHON [SOURCE]", required=True)
    parser.add_argument("--store", default="store")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    data = ewt.module(options.treebank, options.store)
    train = data.split("train")
    evidence = Evidence(train, data.split("test"), npb.Fit(1e-3, 1e-4), 0)
    x = torch.cat([batch.activations for batch in train.blocks()]).numpy()
    few = np.linspace(0, x.shape[1] - 1, FEW).astype(int)
    theirs = neurox(options.neurox, x, train, few)
    by_moments(evidence, theirs["probeless"])
    by_precision(evidence, x, few[:10], theirs.get("average_precision"))
    by_gaussians(evidence, x, theirs.get("gaussian"))


if __name__ == "__main__":
    main()
