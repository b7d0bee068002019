"""Fan et al. 2023's relations between rankings: `python benchmarks/fan.py EWT_FOLDER MODEL_FOLDER … [--words 8000]`.

Penn tags, UD English EWT: the first words of dev train, those of test judge; each of three layers alone (first, middle,
last), the seven rankings of their table 2 with λ 0.01 (section 4.1), tops of 10, 30 and 50 neurons; all figures are
means over the three sizes and layers. Theirs: a balanced probe for each tag of BERT, layers 1, 6 and 12.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

import neuronprobe as npb
from neuronprobe import rankings
from neuronprobe.activations import Split
from neuronprobe.activations.held import HeldStore
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit, Member
from neuronprobe.quiet import quiet
from neuronprobe.rankings import Evidence
from neuronprobe.studies.agreement import _Agreement, chance
from neuronprobe.types import Row

SIZES, LAMBDA = (10, 30, 50), 0.01
RANKS = {
    "lca": rankings.lca, "lasso": partial(rankings.lasso, l1=LAMBDA), "ridge": partial(rankings.ridge, l2=LAMBDA),
    "probeless": rankings.probeless, "average_precision": rankings.average_precision, "gaussian": rankings.gaussian,
    "random": rankings.random,
}  # fmt: skip
THEIRS = {
    "random": (0.021, 0.021), "gaussian": (0.086, 0.169), "lca": (0.258, 0.514), "lasso": (0.240, 0.473),
    "ridge": (0.177, 0.362), "probeless": (0.269, 0.532), "average_precision": (0.156, 0.365),
}  # fmt: skip
PAIRS = {("lca", "probeless"): 0.60, ("gaussian", "lca"): 0.08, ("gaussian", "probeless"): 0.08}
"""Their figure 1, mean over layers 1, 6 and 12."""


def of_layer(split: Split, layer: int, n: int) -> Split:
    """The first n units, with one layer's neurons."""
    width = split.neurons.segments[layer].width
    held = split.batch(torch.arange(n)).activations[:, layer * width : (layer + 1) * width].contiguous()
    units = split.units
    first = replace(units, rows=torch.arange(n)[:, None], labels=units.labels[:n], sentences=units.sentences[:n],
                    types=units.types[:n], n_sentences=int(units.sentences[n - 1]) + 1)  # fmt: skip
    return Split(first, HeldStore(held), NeuronTable((Segment("residual", layer, width),)), split.target)


def agreement(train: Split, dev: Split) -> list[Row]:
    fit = Fit(LAMBDA, LAMBDA, batch_size=128)
    (probe,) = fit([Member(LAMBDA, LAMBDA)], train)
    found = {name: rank(Evidence(train, dev, fit, 0, probe)) for name, rank in RANKS.items()}
    return list(_Agreement(found, 0).rows(SIZES))


def mean(rows: Iterable[Row], metric: str, ranking: str, against: str | None = None) -> float:
    found = [row.value for row in rows if row.metric == metric and row.ranking == ranking
             and row.flags.get("against") == against]  # fmt: skip
    return float(np.mean([value for value in found if value is not None]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--words", type=int, default=8000)
    parser.add_argument("--store", default="store")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    files = {split: str(options.treebank / f"en_ewt-ud-{split}.conllu") for split in ("dev", "test")}
    for folder in options.models:
        corpus = npb.ConlluCorpus(files["dev"], files["dev"], files["test"])
        model = npb.FrozenTransformer(folder)
        data = npb.ActivationsDataModule(corpus, npb.WordProperty("xpos"), model, options.store)
        data.prepare_data()
        data.setup()
        last, n = len(model.neurons.segments) - 1, options.words
        layers = (1, last // 2, last)
        parts = [[of_layer(data.split(name), layer, n) for name in ("train", "test")] for layer in layers]
        rows = [row for train, dev in parts for row in agreement(train, dev)]
        width = len(parts[0][0].neurons)
        by_chance = np.mean([chance(width, k) for k in SIZES])
        print(f"\n{folder}, layers {layers}, {width} neurons each, {n:,} words; by chance {by_chance:.3f}\n")
        print("| ranking | mean overlap | theirs | overlap with the others' vote | theirs |\n|---|---|---|---|---|")
        for name, (overlap, vote) in THEIRS.items():
            ours = [mean(rows, metric, name) for metric in ("average_overlap", "neuron_vote")]
            print(f"| {name} | {ours[0]:.3f} | {overlap} | {ours[1]:.3f} | {vote} |")
        for (one, other), theirs in PAIRS.items():
            found = [mean(rows, "overlap", a, b) for a, b in ((one, other), (other, one)) if has(rows, a, b)]
            print(f"{one} and {other}: {found[0]:.3f} (theirs {theirs})", flush=True)


def has(rows: Iterable[Row], one: str, other: str) -> bool:
    return any(row.ranking == one and row.flags.get("against") == other for row in rows)


if __name__ == "__main__":
    main()
