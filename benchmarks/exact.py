"""`exact` against scikit-learn's saga, and a λ path against its hardest point: `python benchmarks/exact.py EWT_FOLDER`.

MiniLM × UPOS, UD English EWT's dev trains (25,147 words × 2,688 neurons × 17 labels), z-scored, λ1 = λ2 = 1e-3. saga
minimises the same objective for 60 iterations; `--peer FILE` keeps its time and objective, as it takes minutes.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import ewt
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from neuronprobe.activations import Split
from neuronprobe.probes import ExactFit, Member, Probe
from neuronprobe.probes.solvers.regularisation_path import RegularisationPaths
from neuronprobe.quiet import quiet

L1 = L2 = 1e-3
ITERATIONS = 60
POINTS = [float(share) for share in np.geomspace(1.0, 0.0044, 10)]
"""Shares of λ1_max; the weakest is about 1e-3."""


def saga(train: Split) -> dict[str, float]:
    """Seconds and objective of scikit-learn's saga after 60 iterations, in float32."""
    mean, deviation = train.standardisation
    activations = torch.cat([(batch.activations - mean) / deviation for batch in train.blocks()])
    labels, n = train.units.labels, len(train)
    peer = LogisticRegression(
        C=1 / (n * (L1 + 2 * L2)), l1_ratio=L1 / (L1 + 2 * L2), solver="saga", max_iter=ITERATIONS, tol=0.0
    )
    start, cpu_start = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(activations.numpy(), labels.numpy())
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    weights, bias = torch.from_numpy(peer.coef_).double(), torch.from_numpy(peer.intercept_).double()
    outputs = activations.double() @ weights.T + bias
    loss = torch.nn.functional.cross_entropy(outputs, labels)
    objective = float(loss + L1 * weights.abs().sum() + L2 * weights.square().sum())
    return {"seconds": seconds, "cpu": cpu, "objective": objective, "iterations": ITERATIONS}


class Watch:
    """The objective over time, as the walk's steps see it."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float, float]] = []  # seconds, CPU seconds, objective
        self._step = RegularisationPaths.step

    def __enter__(self) -> Watch:
        start, cpu, step, seen = time.perf_counter(), time.process_time(), self._step, self.seen

        def watched(walk: RegularisationPaths, losses: Any, gradients: Any, is_whole: bool) -> Any:
            for m in gradients:
                objective = losses[m] + walk.descents[m].penalty()
                seen.append((time.perf_counter() - start, time.process_time() - cpu, objective))
            return step(walk, losses, gradients, is_whole)

        RegularisationPaths.step = watched  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        RegularisationPaths.step = self._step  # type: ignore[method-assign]


def timed(fit: ExactFit, members: list[Member], train: Split) -> tuple[float, list[Probe], int]:
    """CPU seconds of a fit, its probes and its passes over train."""
    with Watch() as watch:
        start = time.process_time()
        probes = fit(members, train)
        return time.process_time() - start, probes, len(watch.seen)


def race(train: Split, peer: dict[str, float], tolerance: float) -> str:
    fit = ExactFit(l1=L1, l2=L2, tolerance=tolerance)
    with Watch() as watch:
        (probe,) = fit([Member(L1, L2)], train)
    there = next(i for i, (*_, objective) in enumerate(watch.seen) if objective <= peer["objective"])
    seconds, cpu, _ = watch.seen[there]
    reached = probe.optimality
    assert reached is not None
    return (
        f"exact: {seconds:.1f} s ({cpu:.1f} s of CPU, {there + 1} passes) to saga's objective: "
        f"{peer['seconds'] / seconds:.1f} times as fast ({peer['cpu'] / cpu:.1f} by CPU time); "
        f"{watch.seen[-1][0]:.1f} s ({watch.seen[-1][1]:.1f} s of CPU, {len(watch.seen)} passes) "
        f"to KKT {reached.residual:.1e}, objective "
        f"{reached.objective:.6f}, {reached.zeros:.1%} zeros"
    )


def path(train: Split, l2: float, tolerance: float) -> str:
    fit = ExactFit(l1_shares=POINTS, l2=l2, tolerance=tolerance).related(train)
    whole, probes, passes = timed(fit, fit.grid(), train)
    alone = [timed(fit, [Member(l1, l2)], train) for l1 in sorted(fit.l1)[:2]]
    hardest = max(seconds for seconds, *_ in alone)
    late = sum(1 for probe in probes if not (probe.optimality and probe.optimality.converged))
    return (
        f"path of {len(probes)} points, λ2 = {l2:g}: {whole:.1f} s of CPU ({passes} passes), hardest point alone "
        f"{hardest:.1f} s ({max(n for *_, n in alone)} passes): {whole / hardest:.2f} times; {late} not converged"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", type=Path)
    parser.add_argument("--store", default="store")
    parser.add_argument("--peer", type=Path, default=Path("saga.json"), help="where saga's figures are kept")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--only", choices=["saga", "race", "path"])
    options = parser.parse_args()
    quiet()
    train = ewt.module(options.treebank, options.store).split("train")
    if not options.peer.is_file():
        options.peer.write_text(json.dumps(saga(train)))
    peer = json.loads(options.peer.read_text())
    print(f"{torch.get_num_threads()} threads; {len(train):,} × {len(train.neurons):,} × {train.n_labels}")
    print(
        f"saga: {peer['seconds']:.1f} s ({peer['cpu']:.1f} s of CPU) for {peer['iterations']} iterations, "
        f"objective {peer['objective']:.6f}"
    )
    for _ in range(options.runs):
        if options.only in (None, "race"):
            print(race(train, peer, options.tolerance), flush=True)
        if options.only in (None, "path"):
            print(path(train, L2, options.tolerance), flush=True)


if __name__ == "__main__":
    main()
