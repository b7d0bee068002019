"""What a split is made of, and what can be predicted without any neuron."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.types import UNKNOWN, Row, Units


def corpus_summary(units: Mapping[str, Units], words: Mapping[str, int], unknown: Mapping[str, int]) -> list[Row]:
    """Sentences, words, units, labels of each split, and units whose label train lacks."""
    rows = []
    for split, found in units.items():
        known = found.labels[found.labels != UNKNOWN]
        counts = {
            "sentences": found.n_sentences,
            "words": words[split],
            "units": len(found),
            "labels": len(known.unique()),
            "labels_train_lacks": unknown[split],
            "units_with_a_label_train_lacks": int((found.labels == UNKNOWN).sum()),
        }
        rows += [Row("corpus", metric, float(value), split=split) for metric, value in counts.items()]
    return rows


def baselines(units: Mapping[str, Units], seed: int) -> list[Row]:
    """Accuracy of the most frequent label of train, and of the most frequent one per word type (else the former)."""
    train = units["train"]
    majority = Counter(train.labels.tolist()).most_common(1)[0][0]
    by_type: dict[str, Counter[int]] = defaultdict(Counter)
    for kind, label in zip(train.types, train.labels.tolist(), strict=True):
        by_type[kind][label] += 1
    best = {kind: counts.most_common(1)[0][0] for kind, counts in by_type.items()}
    rows = []
    for split, found in units.items():
        predictions = {
            "majority": torch.full_like(found.labels, majority),
            "word_majority": torch.tensor([best.get(kind, majority) for kind in found.types]),
        }
        rows += [_row(name, split, found, predicted, seed) for name, predicted in predictions.items()]
    return rows


def _row(name: str, split: str, units: Units, predicted: Int[Tensor, " unit"], seed: int) -> Row:
    correct = torch.zeros(units.n_sentences, dtype=torch.long)
    correct.index_add_(0, units.sentences, (predicted == units.labels).long())
    total = torch.bincount(units.sentences, minlength=units.n_sentences)
    low = high = None
    if split == "test":
        low, high = Bootstrap(total, seed).accuracy(correct[None])[0].tolist()
    return Row("baseline", "accuracy", float(correct.sum() / len(units)), set=name, split=split, low=low, high=high)
