"""What a split is made of, and what can be predicted without any neuron."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.probes import BankScore, Probe
from neuronprobe.studies.cells import find, first, percent, plain
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.types import UNKNOWN, Row, Table, Units

COUNTS = ("sentences", "words", "labels")
GUESSES = ("majority", "word_majority")
"""The most frequent label of train, and that of each word type."""


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


def corpus_table(rows: Sequence[Row], name: str) -> Table:
    """Each split's size and baselines; a note where units have a label that train lacks."""
    found = plain(rows)
    body, notes = [], []
    for split in dict.fromkeys(row["split"] for row in find(found, study="corpus")):
        own = find(found, split=split)
        counts = [f"{row['value']:,.0f}" for metric in COUNTS for row in find(own, metric=metric)]
        guesses = [first(own, study="baseline", metric="accuracy", set=guess) for guess in GUESSES]
        body.append((split, *counts, *(percent({**row, "low": None}) for row in guesses if row)))
        lacking = first(own, metric="units_with_a_label_train_lacks")
        if lacking and lacking["value"]:
            notes.append(
                f"{split}: {lacking['value']:.0f} units have a label that train lacks; they are scored as wrong."
            )
    return Table(name, ("split", *COUNTS, *(f"{guess.replace('_', ' ')} %" for guess in GUESSES)), tuple(body),
                 tuple(notes))  # fmt: skip


def majority_probe(train: Split) -> Probe:
    """What says the most frequent label of train, whatever the activations are."""
    counts = torch.bincount(train.units.labels, minlength=train.n_labels)
    return Probe(torch.zeros(train.n_labels, 0), counts.float(), torch.zeros(0, dtype=torch.long))


def _rows(split: str, units: Units, predicted: Int[Tensor, "unit 2"], n_labels: int, seed: int) -> Iterator[Row]:
    metric = BankScore(2, n_labels, units.n_sentences)
    metric.add(predicted, units.labels, units.sentences)
    counts = metric.counts(n_unknown=units.n_unknown)
    ends = Bootstrap(counts.units, seed).ends(counts.correct).tolist() if split == "test" else [(None, None)] * 2
    for i, name in enumerate(GUESSES):
        about: dict[str, Any] = {"set": name, "split": split}
        yield Row("baseline", "accuracy", float(counts.accuracy[i]), low=ends[i][0], high=ends[i][1], **about)
        yield Row("baseline", "macro_f1", float(counts.macro_f1[i]), **about)
