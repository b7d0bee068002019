"""What a split is made of, and what can be predicted without any neuron."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.probes import BankScore, Probe
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.types import UNKNOWN, Row, Units


def corpus_summary(units: Mapping[str, Units], words: Mapping[str, int], unknown: Mapping[str, int]) -> list[Row]:
    """Sentences, words, units, labels of each split, and units whose label train lacks."""
    rows = []
    for split, found in units.items():
        known = found.labels[found.labels > UNKNOWN]
        counts = {
            "sentences": found.n_sentences,
            "words": words[split],
            "units": len(found),
            "labels": len(known.unique()),
            "labels_train_lacks": unknown[split],
            "units_with_a_label_train_lacks": int((found.labels <= UNKNOWN).sum()),
        }
        rows += [Row("corpus", metric, float(value), split=split) for metric, value in counts.items()]
    return rows


def baselines(units: Mapping[str, Units], seed: int) -> list[Row]:
    """Accuracy and macro-F1 of the most frequent label of train, and of the most frequent one per word type (else the
    former).
    """
    train = units["train"]
    counts = torch.bincount(train.labels)
    majority = int(counts.argmax())
    by_type: dict[str, Counter[int]] = defaultdict(Counter)
    for kind, label in zip(train.types, train.labels.tolist(), strict=True):
        by_type[kind][label] += 1
    best = {kind: counts.most_common(1)[0][0] for kind, counts in by_type.items()}
    rows: list[Row] = []
    for split, found in units.items():
        by_word = torch.tensor([best.get(kind, majority) for kind in found.types])
        predicted = torch.stack([torch.full_like(by_word, majority), by_word], dim=1)
        rows += _rows(split, found, predicted, len(counts), seed)
    return rows


def majority_probe(train: Split) -> Probe:
    """What says the most frequent label of train, whatever the activations are."""
    counts = torch.bincount(train.units.labels, minlength=train.n_labels)
    return Probe(torch.zeros(train.n_labels, 0), counts.float(), torch.zeros(0, dtype=torch.long))


def _rows(split: str, units: Units, predicted: Int[Tensor, "unit 2"], n_labels: int, seed: int) -> Iterator[Row]:
    metric = BankScore(2, n_labels, units.n_sentences)
    metric.add(predicted, units.labels, units.sentences)
    counts = metric.counts(n_unknown=units.n_unknown)
    ends = Bootstrap(counts.units, seed).ends(counts.correct).tolist() if split == "test" else [(None, None)] * 2
    for i, name in enumerate(("majority", "word_majority")):
        place: dict[str, Any] = {"set": name, "split": split}
        yield Row("baseline", "accuracy", float(counts.accuracy[i]), low=ends[i][0], high=ends[i][1], **place)
        yield Row("baseline", "macro_f1", float(counts.macro_f1[i]), **place)
