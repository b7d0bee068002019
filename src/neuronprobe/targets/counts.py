"""What probes get right: counts per label for metrics, and per sentence for intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torchmetrics
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.targets.score import Score
from neuronprobe.targets.spans import span_counts
from neuronprobe.types import UNKNOWN, Units


@dataclass(frozen=True)
class Counts:
    """Counts of some probes on one split; `n_unknown` labels of the split are such that train lacks.

    `predicted` are label indices of `all_units`, kept where macro-F1 needs intervals; `names` are those of labels that
    mark spans, which are then scored as well.
    """

    correct: Int[Tensor, "probe sentence"]
    units: Int[Tensor, " sentence"]
    true_positives: Int[Tensor, "probe label"]
    false_positives: Int[Tensor, "probe label"]
    false_negatives: Int[Tensor, "probe label"]
    n_unknown: int = 0
    predicted: Int[Tensor, "probe unit"] | None = None
    all_units: Units | None = None
    names: tuple[str, ...] = ()

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

    @cached_property
    def spans(self) -> Int[Tensor, "probe 3 sentence"]:
        """How many spans are found, predicted and there. Raises ValueError without `names` and what was predicted."""
        predicted, units = self._kept("span F1")
        return span_counts(self.names, units, predicted)

    @property
    def span_f1(self) -> Float[Tensor, " probe"]:
        """2 found / (predicted + there); 0 where there are none."""
        found, predicted, there = self.spans.sum(2).double().unbind(1)
        return 2 * found / (predicted + there).clamp_min(1)

    def values(self, metric: str) -> Float[Tensor, " probe"]:
        """Accuracy, macro-F1 or span F1 of each probe."""
        found: Float[Tensor, " probe"] = getattr(self, metric)
        return found

    def predictions(self) -> dict[str, Int[Tensor, " unit"]]:
        """Of the first probe; labels that train lacks are at most UNKNOWN."""
        if self.predicted is None or self.all_units is None:
            return {}
        units = self.all_units
        return {"label": units.labels, "predicted": self.predicted[0], "sentence": units.sentences}

    def by_label(self) -> dict[str, Float[Tensor, "probe label"]]:
        """F1."""
        return {"f1": self.f1}

    def score(self, metric: str) -> Score:
        """The same with its parts per sentence. Macro-F1 and span F1 need `predicted`."""
        if metric == "accuracy":
            return Score(metric, self.correct, self.units)
        n, value = len(self.units), self.values(metric)[:, None]
        parts = self._macro_parts() if metric == "macro_f1" else self._span_parts(value)
        return Score(metric, value + n * parts, torch.ones(n))

    def _kept(self, what: str) -> tuple[Int[Tensor, "probe unit"], Units]:
        if self.predicted is None or self.all_units is None:
            raise ValueError(f"{what} must be scored with what was predicted, got counts alone")
        return self.predicted, self.all_units

    @property
    def _f1_denominator(self) -> Tensor:
        return (2 * self.true_positives + self.false_positives + self.false_negatives).double().clamp_min(1)

    @property
    def _n_labels(self) -> int:
        return max(1, int(self.occurs.sum()) + self.n_unknown)

    def _span_parts(self, value: Float[Tensor, "probe 1"]) -> Float[Tensor, "probe sentence"]:
        """Derivative of span F1 by each sentence's share in the counts."""
        found, *others = self.spans.double().unbind(1)
        said = torch.stack(others).sum(0)
        return (2 * found - value * said) / said.sum(1, keepdim=True).clamp_min(1)

    def _macro_parts(self) -> Float[Tensor, "probe sentence"]:
        """The same of macro-F1."""
        predicted, units = self._kept("macro-F1")
        return torch.stack([self._f1_parts(p, own, units) for p, own in enumerate(predicted)])

    def _f1_parts(self, probe: int, predicted: Int[Tensor, " unit"], units: Units) -> Float[Tensor, " sentence"]:
        """Derivative of macro-F1 by each sentence's share in the counts: F1 = 2 tp / (n predicted + n there)."""
        occurs = self.occurs.double() / self._n_labels
        denominator = self._f1_denominator[probe]
        hit, met = 2 * occurs / denominator, occurs * self.f1[probe] / denominator
        known = units.labels > UNKNOWN
        there = torch.where(known, units.labels, 0)
        part = torch.where(predicted == units.labels, hit[there], 0.0) - met[predicted.long()]
        part = part - torch.where(known, met[there], 0.0)
        return torch.zeros(len(self.units), dtype=torch.float64).index_add_(0, units.sentences, part)


class BankCounts(torchmetrics.Metric):
    """Counts for all members at once. A full confusion table would not fit for many labels and members."""

    full_state_update = False
    correct: Tensor
    units: Tensor
    true_positives: Tensor
    false_positives: Tensor
    false_negatives: Tensor

    def __init__(
        self, n_probes: int, n_labels: int, n_sentences: int, keep: bool = False, names: tuple[str, ...] = ()
    ) -> None:
        """With `keep`, what is predicted stays: macro-F1 needs it for its parts per sentence, span F1 at all.

        `names` are those of labels that mark spans.
        """
        super().__init__()
        self._names = names
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
            more |= {"predicted": torch.cat(self._kept, 1), "all_units": units, "names": self._names}
        return self.counts(**more)

    def counts(self, **more: Any) -> Counts:
        """All counts so far, on the CPU."""
        states: Any = (self.correct, self.units, self.true_positives, self.false_positives, self.false_negatives)
        return Counts(*(state.cpu().clone() for state in states), **more)
