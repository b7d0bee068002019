"""Group lasso against the published solver adelie: `python benchmarks/group_lasso.py --adelie PYTHON [--most N]`.

MiniLM × UPOS, the starter treebank; the same candidates, z-scores and path of λ. How far the lengths of the neurons'
weights are apart at each λ, and how far the order agrees in which neurons come in; seconds of CPU. PYTHON has adelie
(and numpy < 2).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import starter
import torch
from scipy.stats import spearmanr

import neuronprobe as npb
from neuronprobe.probes.solvers.group_lasso import GroupLasso, lengths, path
from neuronprobe.quiet import quiet
from neuronprobe.rankings import Evidence, group_lasso
from neuronprobe.rankings.candidates import candidates
from neuronprobe.rankings.group_lasso import problem_of

HERE = Path(__file__).parent
SHARES = np.logspace(0, np.log10(0.02), 20)[1:]


def ours(problem: GroupLasso, tolerance: float) -> tuple[float, np.ndarray]:
    """Seconds, and the length of each neuron's weights along the path."""
    start = time.process_time()
    found = [lengths(at.point).numpy() for at in path(problem, SHARES.tolist(), 10_000, tolerance)]
    return time.process_time() - start, np.stack(found)


def theirs(python: str, problem: GroupLasso) -> tuple[float, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        labels = problem.labels.argmax(0).numpy()
        np.savez(path, activations=problem.activations.T.numpy(), labels=labels, shares=SHARES)
        run = subprocess.run([python, str(HERE / "adelie" / "group_lasso.py"), str(path)], check=True,
                             capture_output=True, text=True)  # fmt: skip
    found = json.loads(run.stdout)
    return found["seconds"], np.array(found["lengths"])


def entered(lengths: np.ndarray) -> np.ndarray:
    """The largest share of λ_max at which each neuron is in; 0 where it never is."""
    return np.where((lengths > 0).any(0), SHARES[(lengths > 0).argmax(0)], 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adelie", metavar="PYTHON", required=True)
    parser.add_argument("--most", type=int, default=100)
    parser.add_argument("--store", default="store")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    data = starter.module(options.store)
    evidence = Evidence(data.split("train"), data.split("dev"), npb.Fit(1e-3, 1e-4, batch_size=32), 0)
    problem = problem_of(evidence, candidates(evidence, group_lasso.__name__, options.most, 1e-3).neurons)
    seconds, witness = theirs(options.adelie, problem)
    print(f"{len(evidence.train):,} units × {options.most} neurons × {len(problem.labels)} labels, {len(SHARES)} λ; "
          f"adelie {seconds:.1f} s, {(witness[-1] > 0).sum()} neurons in at the last λ")  # fmt: skip
    for tolerance in (0.01, 0.001):
        seconds, found = ours(problem, tolerance)
        apart = np.abs(found - witness).max(1) / witness.max(1)
        rank = spearmanr(entered(found), entered(witness)).statistic
        same = ((found > 0) == (witness > 0)).mean()
        print(f"to {tolerance} λ: {seconds:.1f} s; lengths apart by at most {100 * apart.max():.2f} % of the longest, "
              f"in or out alike {100 * same:.2f} %, Spearman of the λ of entry {rank:.4f}")  # fmt: skip


if __name__ == "__main__":
    main()
