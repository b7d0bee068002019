"""Proximal Newton against FISTA, saga and glmnet: `python benchmarks/exact.py [EWT_FOLDER] [--saga] [--glmnet]`.

MiniLM × UPOS, z-scores: the starter treebank and, where given, UD English EWT (dev trains, 25,147 words × 2,688 neurons
× 17 labels). One pair (λ1 = λ2 = 1e-3) and the grid of `probe=exact`, to a KKT residual of 1e-6, in CPU seconds of one
thread; both solvers in turn, medians. saga minimises the pair's objective for 60 iterations, and the time in which
`exact` is as low is compared. glmnet (`Rscript`, with the package glmnet) solves the pair; its KKT residual is computed
anew, and the time in which `exact` comes to one as small is compared.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import ewt
import numpy as np
import starter
import torch
from sklearn.linear_model import LogisticRegression

from neuronprobe.activations import Split
from neuronprobe.probes import ExactFit, Probe
from neuronprobe.probes.penalty import violation
from neuronprobe.probes.solvers import proximal_newton
from neuronprobe.probes.solvers.regularisation_path import RegularisationPaths
from neuronprobe.quiet import quiet

L1 = L2 = 1e-3
ITERATIONS = 60
THRESH = 1e-7
"""Of glmnet, its default."""
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


def standardised(train: Split) -> torch.Tensor:
    """Z-scores, unit by unit."""
    mean, deviation = train.standardisation
    return torch.cat([(batch.activations - mean) / deviation for batch in train.blocks()]).contiguous()


def glmnet(train: Split, thresh: float) -> tuple[float, float]:
    """CPU seconds of glmnet, and its residual."""
    activations, labels = standardised(train), train.units.labels
    with tempfile.TemporaryDirectory() as folder:
        activations.numpy().tofile(f"{folder}/x")
        labels.int().numpy().tofile(f"{folder}/y")
        script = [str(Path(__file__).with_name("glmnet.R")), folder]
        settings = map(str, (*activations.shape, L1, L2, thresh))
        said = subprocess.run(["Rscript", *script, *settings], check=True, capture_output=True, text=True).stdout
        theta = torch.from_numpy(np.fromfile(f"{folder}/theta")).view(train.n_labels, -1)
    return float(said.split()[-1]), residual(theta, activations, labels)


def residual(theta: torch.Tensor, activations: torch.Tensor, labels: torch.Tensor) -> float:
    """The largest violation of the pair's optimum; the bias is the first column of `theta`."""
    rest = torch.zeros_like(theta)
    for block, own in zip(activations.split(4096), labels.split(4096), strict=True):
        inputs = torch.cat([block.new_ones(len(block), 1), block], dim=1).double()
        shares = (inputs @ theta.T).softmax(1)
        shares[torch.arange(len(own)), own] -= 1
        rest += shares.T @ inputs / len(labels)
    weights = violation(theta[:, 1:], rest[:, 1:] + 2 * L2 * theta[:, 1:], L1)
    return float(max(weights.max(), rest[:, 0].abs().max()))


def against_glmnet(corpus: str, train: Split) -> None:
    """A line: both to glmnet's residual."""
    cpu, reached = glmnet(train, THRESH)
    proximal_newton.DENSE = SOLVERS["proximal Newton"]
    ours, _, (probe,) = timed("proximal Newton", ExactFit(l1=L1, l2=L2, tolerance=reached), train)
    assert probe.optimality is not None
    print(
        f"{corpus}: glmnet {cpu:.1f} s to a residual of {reached:.1e}, exact {ours:.1f} s to "
        f"{probe.optimality.residual:.1e}: {cpu / ours:.0f} times as fast",
        flush=True,
    )


def saga(train: Split) -> tuple[float, float]:
    """CPU seconds and objective of scikit-learn's saga after 60 iterations, in float32."""
    activations, labels, n = standardised(train), train.units.labels, len(train)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", nargs="?", type=Path)
    parser.add_argument("--store", default="store")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--saga", action="store_true", help="also race against saga, which takes minutes")
    parser.add_argument("--glmnet", action="store_true", help="also race against glmnet, which needs Rscript")
    parser.add_argument("--only-peers", action="store_true", help="leave FISTA out")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    data = {"starter": starter.module(options.store)}
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
        if not options.only_peers:
            race(corpus, train, options.runs)
        if options.glmnet:
            against_glmnet(corpus, train)
        if options.saga:
            against_saga(corpus, train)


if __name__ == "__main__":
    main()
