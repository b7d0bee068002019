"""False selections of stability selection beside their bounds: `python benchmarks/stability_selection.py FOLDER`.

Planted data: 100 neurons, 5 of which carry a value (240 units in 80 sentences, whose value has a part in common); the
others say nothing, and are independent, correlated with each other, or (ten of them) correlated with the five. Of each
draw of the data what 50 pairs of half-samples select, at thresholds of .6 and .9 with the q that each bound allows. Of
the neurons that are listed, false are those that say nothing, and rarely selected those that a half-sample selects with
a probability of at most q/p, over the draws. A draw that is in FOLDER is not made again.
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path

import torch

from neuronprobe.activations import Split
from neuronprobe.activations.held import HeldStore
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import ExactFit
from neuronprobe.quiet import quiet
from neuronprobe.rankings import Evidence, lca
from neuronprobe.studies import Trained
from neuronprobe.studies.resamples import half_samples
from neuronprobe.studies.selection_bounds import lattice, most_selected, r_concave, worst_case
from neuronprobe.studies.stability_selection import walk
from neuronprobe.targets import Values
from neuronprobe.types import Units

P, SENTENCES, WORDS, PLANTED = 100, 80, 3, 5
EFFECT, TOGETHER, SHARED = 0.35, 0.7, 0.5
"""Of a planted neuron on the value; correlation of neurons; part of the noise that words of a sentence share."""
DESIGNS = ("independent", "correlated with each other", "correlated with the planted")
PAIRS, EXPECTED, THRESHOLDS, BOUNDS = 50, 1.0, (0.6, 0.9), ("worst_case", "r_concave")


def planted(design: str, seed: int) -> Split:
    """One draw: the first neurons carry the value, each as much."""
    generator = torch.Generator().manual_seed(seed)
    n = SENTENCES * WORDS
    activations = torch.randn(n, P, generator=generator)
    own = (1 - TOGETHER**2) ** 0.5
    if design == DESIGNS[1]:  # groups of ten have a source in common
        source = torch.randn(n, P // 10, generator=generator).repeat_interleave(10, 1)
        activations[:, PLANTED:] = (TOGETHER * source + own * activations)[:, PLANTED:]
    if design == DESIGNS[2]:  # every tenth of the others goes with a planted one
        near = activations[:, :PLANTED].repeat(1, 2)
        activations[:, PLANTED : 3 * PLANTED] = TOGETHER * near + own * activations[:, PLANTED : 3 * PLANTED]
    sentences = torch.arange(n) // WORDS
    noise = SHARED * torch.randn(SENTENCES, generator=generator)[sentences] + torch.randn(n, generator=generator)
    values = (EFFECT * activations[:, :PLANTED].sum(1) + noise).double()
    target = Values.of(values, "planted")
    units = Units(torch.arange(n)[:, None], target.encode(values, ()), sentences, ("x",) * n, SENTENCES)
    return Split(units, HeldStore(activations), NeuronTable((Segment("planted", 0, P),)), target)


def selected(train: Split, q: int, seed: int, pairs: int = PAIRS) -> torch.Tensor:
    """How many of the half-samples select each neuron."""
    fit = ExactFit(l1=1e-2, l2=1e-3)
    (probe,) = fit(fit.grid(), train)
    evidence = Evidence(train, train, fit, seed, probe)
    splits = {"train": train, "dev": train, "test": train}
    trained = Trained(splits, train.target.names, fit, [probe], probe, {"lca": lca}, {"lca": lca(evidence)}, "r2")
    return walk(trained, half_samples(train.units, pairs, seed), q)[0].sum(0)


def drawn(design: str, q: int, draws: int, folder: Path) -> torch.Tensor:
    """Counts of all draws."""
    found = []
    for seed in range(draws):
        path = folder / f"{design}, q {q}, draw {seed}.pt"
        if not path.is_file():
            start = time.process_time()
            torch.save(selected(planted(design, seed), q, seed), path)
            print(f"# {path.stem}: {time.process_time() - start:.0f} s", flush=True)
        found.append(torch.load(path))
    return torch.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--designs", nargs="*", default=DESIGNS)
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    print(
        "| neurons that say nothing | threshold | q | planted found | false | rarely selected | at most | r-concave |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for design in options.designs:
        for threshold, bound in product(THRESHOLDS, BOUNDS):
            q = most_selected(EXPECTED, P, threshold, PAIRS, bound)
            counts = drawn(design, q, options.draws, options.folder)
            rare = counts.double().mean(0) / (2 * PAIRS) <= q / P
            listed = counts >= lattice(threshold, PAIRS)
            found, false = (own.sum(1).double().mean() for own in (listed[:, :PLANTED], listed[:, PLANTED:]))
            rarely = listed[:, rare].sum(1).double().mean()
            bounds = (worst_case(q, P, threshold), r_concave(q, P, threshold, PAIRS))
            cells = f"{found:.1f} of {PLANTED} | {false:.2f} | {rarely:.2f} | {bounds[0]:.2f} | {bounds[1]:.2f}"
            print(f"| {design} | {threshold:g} | {q} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
