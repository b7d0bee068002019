"""What probes get right: counts per label for metrics, and per sentence for intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torchmetrics
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.targets.score import Score
from neuronprobe.types import UNKNOWN, Units


@dataclass(frozen=True)
class Counts:
    """Counts of some probes on one split; `n_unknown` labels of the split are such that train lacks.

    `predicted` are label indices, kept where macro-F1 needs intervals.
    """

    correct: Int[Tensor, "probe sentence"]
    units: Int[Tensor, " sentence"]
    true_positives: Int[Tensor, "probe label"]
    false_positives: Int[Tensor, "probe label"]
    false_negatives: Int[Tensor, "probe label"]
    n_unknown: int = 0
    predicted: Int[Tensor, "probe unit"] | None = None
    labels: Int[Tensor, " unit"] | None = None
    sentences: Int[Tensor, " unit"] | None = None

    @property
    def accuracy(self) -> Float[Tensor, " probe"]:
        """Micro accuracy, a fraction; a label that train lacks counts as wrong."""
        return self.correct.sum(1).double() / self.units.sum()

    @property
    def f1(self) -> Float[Tensor, "probe label"]:
        """F1 of each label of train; 0 where a label is neither there nor predicted."""
        return 2 * self.true_positives.double() / self._f1_denominator

    @property
    def occurs(self) -> Tensor:
        """Which labels of train occur in the split."""
        return (self.true_positives + self.false_negatives)[0] > 0

    @property
    def macro_f1(self) -> Float[Tensor, " probe"]:
        """Mean F1 over the labels that occur in the split; those that train lacks have 0."""
        return self.f1[:, self.occurs].sum(1) / self._n_labels

    def values(self, metric: str) -> Float[Tensor, " probe"]:
        """Accuracy or macro-F1 of each probe."""
        return self.accuracy if metric == "accuracy" else self.macro_f1

    def predictions(self) -> dict[str, Int[Tensor, " unit"]]:
        """Of the first probe; labels that train lacks are at most UNKNOWN."""
        if self.predicted is None or self.labels is None or self.sentences is None:
            return {}
        return {"label": self.labels, "predicted": self.predicted[0], "sentence": self.sentences}

    def by_label(self) -> dict[str, Float[Tensor, "probe label"]]:
        """F1."""
        return {"f1": self.f1}

    def score(self, metric: str) -> Score:
        """The same with its parts per sentence. Macro-F1 needs `predicted`."""
        if metric == "accuracy":
            return Score(metric, self.correct, self.units)
        if self.predicted is None or self.labels is None or self.sentences is None:
            raise ValueError("macro-F1 must be scored with what was predicted, got counts alone")
        n = len(self.units)
        parts = torch.stack([self._f1_parts(p, own) for p, own in enumerate(self.predicted)])
        return Score(metric, self.macro_f1[:, None] + n * parts, torch.ones(n))

    @property
    def _f1_denominator(self) -> Tensor:
        return (2 * self.true_positives + self.false_positives + self.false_negatives).double().clamp_min(1)

    @property
    def _n_labels(self) -> int:
        return max(1, int(self.occurs.sum()) + self.n_unknown)

    def _f1_parts(self, probe: int, predicted: Int[Tensor, " unit"]) -> Float[Tensor, " sentence"]:
        """Derivative of macro-F1 by each sentence's share in the counts: F1 = 2 tp / (n predicted + n there)."""
        assert self.labels is not None
        assert self.sentences is not None
        occurs = self.occurs.double() / self._n_labels
        denominator = self._f1_denominator[probe]
        hit, met = 2 * occurs / denominator, occurs * self.f1[probe] / denominator
        known = self.labels > UNKNOWN
        there = torch.where(known, self.labels, 0)
        part = torch.where(predicted == self.labels, hit[there], 0.0) - met[predicted.long()]
        part = part - torch.where(known, met[there], 0.0)
        return torch.zeros(len(self.units), dtype=torch.float64).index_add_(0, self.sentences, part)


class BankCounts(torchmetrics.Metric):
    """Counts for all members at once. A full confusion table would not fit for many labels and members."""

    full_state_update = False
    correct: Tensor
    units: Tensor
    true_positives: Tensor
    false_positives: Tensor
    false_negatives: Tensor

    def __init__(self, n_probes: int, n_labels: int, n_sentences: int, keep: bool = False) -> None:
        """With `keep`, what is predicted stays: macro-F1 needs it for its parts per sentence."""
        super().__init__()
        self._shape = (n_probes, n_labels)
        self._kept: list[Tensor] | None = [] if keep else None
        for name, shape in {
            "correct": (n_probes, n_sentences),
            "units": (n_sentences,),
            "true_positives": self._shape,
            "false_positives": self._shape,
            "false_negatives": self._shape,
        }.items():
            dtype = torch.int32 if name == "correct" else torch.long
            self.add_state(name, torch.zeros(shape, dtype=dtype), dist_reduce_fx="sum")

    def update(
        self,
        outputs: Float[Tensor, "unit probe label"],
        labels: Int[Tensor, " unit"],
        sentences: Int[Tensor, " unit"],
    ) -> None:
        """Add one batch."""
        self.add(outputs.argmax(-1), labels, sentences)

    def add(
        self,
        predicted: Int[Tensor, "unit probe"],
        labels: Int[Tensor, " unit"],
        sentences: Int[Tensor, " unit"],
    ) -> None:
        """Add what was predicted for one batch."""
        n_probes, n_labels = self._shape
        if self._kept is not None:
            self._kept.append(predicted.T.to("cpu", torch.int16 if n_labels < 1 << 15 else torch.int32))
        right = predicted == labels[:, None]
        by_sentence = torch.zeros(len(self.units), n_probes, dtype=self.correct.dtype, device=labels.device)
        self.correct += by_sentence.index_add_(0, sentences, right.to(self.correct.dtype)).T
        self.units.index_add_(0, sentences, torch.ones_like(sentences))
        offsets = torch.arange(n_probes, device=labels.device) * (n_labels + 1)

        def counts(cells: Tensor) -> Tensor:
            """Of each label for each member; what is not counted has the label n_labels."""
            found = torch.bincount((cells + offsets).flatten(), minlength=n_probes * (n_labels + 1))
            return found.view(n_probes, n_labels + 1)[:, :n_labels]

        hits = counts(torch.where(right, predicted, n_labels))
        there = torch.bincount(labels[labels > UNKNOWN], minlength=n_labels)
        self.true_positives += hits
        self.false_positives += counts(predicted) - hits
        self.false_negatives += there - hits

    def compute(self) -> Float[Tensor, " probe"]:
        """Accuracy of each member so far."""
        return self.correct.sum(1) / self.units.sum()

    def scored(self, units: Units) -> Counts:
        """All counts so far, on the CPU; `units` are those of the split."""
        more: dict[str, Any] = {"n_unknown": len(units.labels[units.labels <= UNKNOWN].unique())}
        if self._kept is not None:
            more |= {"predicted": torch.cat(self._kept, 1), "labels": units.labels, "sentences": units.sentences}
        return self.counts(**more)

    def counts(self, **more: Any) -> Counts:
        """All counts so far, on the CPU."""
        states: Any = (self.correct, self.units, self.true_positives, self.false_positives, self.false_negatives)
        return Counts(*(state.cpu().clone() for state in states), **more)
