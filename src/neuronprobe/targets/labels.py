"""Labels as a target: cross-entropy over the label set of train."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from neuronprobe.drawing import drawn
from neuronprobe.errors import InputError, choice
from neuronprobe.targets.counts import BankCounts
from neuronprobe.targets.losses import CrossEntropy
from neuronprobe.targets.target import Either
from neuronprobe.types import UNKNOWN, Units

LEAST_SHARE = 1e-12
"""The bias of a label that train lacks has its optimum at −∞; it starts, and stays, at the logarithm of this."""


@dataclass(frozen=True)
class Labels:
    """The labels of the training split, sorted by name: the index of a label is its position here.

    Labels that `are_spans` mark words as parts of a chunk or an entity (B-NP), which is scored as a whole too.
    """

    names: tuple[str, ...]
    are_spans: bool = False
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")
    denominator: ClassVar[str] = "units"
    constant: ClassVar[str] = "majority"
    predicts: ClassVar[torch.dtype] = torch.long
    loss: ClassVar[CrossEntropy] = CrossEntropy()

    @classmethod
    def of(cls, labels: Iterable[str], name: str, are_spans: bool = False) -> Labels:
        """The labels that occur. Raises InputError unless there are at least two."""
        names = tuple(sorted(set(labels)))
        if len(names) < 2:
            raise InputError(
                f"property {name} must have at least 2 labels in train, got {len(names)}"
                f"{': ' + names[0] if names else ''}; choose another property or corpus."
            )
        return cls(names, are_spans)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def index(self, label: str) -> int:
        """The index of a label, or UNKNOWN where train lacks it."""
        return self._positions.get(label, UNKNOWN)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}

    @property
    def more_metrics(self) -> tuple[str, ...]:
        """Span F1, where labels mark spans."""
        return ("span_f1",) if self.are_spans else ()

    def metric(self, asked: str) -> str:
        """The metric that was asked for, of auto accuracy. Raises InputError for one of values."""
        return choice("metric of a property with labels", asked, ("auto", *self.metrics)).replace("auto", "accuracy")

    def labels_for(self, what: str) -> None:
        """Nothing: there are labels."""

    def either(self, of_labels: Either, of_values: Either) -> Either:
        """What is for labels."""
        return of_labels

    def saved(self) -> dict[str, Any]:
        """The names, and whether they mark spans."""
        return {"labels": list(self.names)} | ({"spans": True} if self.are_spans else {})

    def unknown(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that train lacks, sorted."""
        return tuple(sorted(set(names) - set(self.names)))

    def encode(self, labels: Int[Tensor, " unit"], names: Sequence[str]) -> Int[Tensor, " unit"]:
        """Train's label indices of indices of `names`; a label that train lacks becomes UNKNOWN or less."""
        unknown = {name: UNKNOWN - i for i, name in enumerate(self.unknown(names))}
        index = torch.tensor([unknown.get(name, self.index(name)) for name in names], dtype=torch.long)
        return index[labels]

    def composition(self, units: Units) -> dict[str, int]:
        """Labels, and those that train lacks."""
        known = units.labels[units.labels > UNKNOWN]
        return {
            "labels": len(known.unique()),
            "labels_train_lacks": self.n_unknown(units),
            "units_with_a_label_train_lacks": int((units.labels <= UNKNOWN).sum()),
        }

    def n_unknown(self, units: Units) -> int:
        """How many labels of a split there are that train lacks."""
        return len(units.labels[units.labels <= UNKNOWN].unique())

    def support(self, units: Units) -> list[int]:
        """Units of each label."""
        return torch.bincount(units.labels.clamp_min(UNKNOWN) + 1, minlength=len(self) + 1).tolist()[1:]

    def totals(self, labels: Int[Tensor, " unit"], weights: Float[Tensor, " unit"] | None) -> Float[Tensor, " label"]:
        """The weight of each label over the units, in float64."""
        own = torch.ones(len(labels)) if weights is None else weights
        return torch.zeros(len(self), dtype=torch.float64).index_add_(0, labels.cpu(), own.cpu().double())

    def level(self, labels: Int[Tensor, " unit"], weights: Float[Tensor, " unit"] | None) -> Float[Tensor, " label"]:
        """π: the weighted shares of the labels."""
        totals = self.totals(labels, weights)
        return totals / totals.sum()

    def start(self, level: Float[Tensor, " label"]) -> Float[Tensor, " label"]:
        """log π."""
        return level.clamp_min(LEAST_SHARE).log()

    def rest(self, level: Float[Tensor, " label"], labels: Int[Tensor, " unit"]) -> Float[Tensor, "unit label"]:
        """π − the label's one."""
        return level - nn.functional.one_hot(labels, len(self))

    def balanced(self, labels: Int[Tensor, " unit"], weights: Float[Tensor, " unit"]) -> Float[Tensor, " unit"]:
        """Weights that give each label the same total, with the same mean."""
        totals = torch.zeros(len(self)).index_add_(0, labels, weights)
        occurring = (totals > 0).sum()
        return weights * (weights.sum() / (occurring * totals.clamp_min(1e-12)))[labels]

    def baselines(self, train: Units, units: Units) -> Mapping[str, Int[Tensor, " unit"]]:
        """The most frequent label of train, and the most frequent one per type (else the former)."""
        majority = int(torch.bincount(train.labels).argmax())
        by_type: dict[str, Counter[int]] = defaultdict(Counter)
        for kind, label in zip(train.types, train.labels.tolist(), strict=True):
            by_type[kind][label] += 1
        best = {kind: counts.most_common(1)[0][0] for kind, counts in by_type.items()}
        by_word = torch.tensor([best.get(kind, majority) for kind in units.types])
        return {self.constant: torch.full_like(by_word, majority), "word_majority": by_word}

    def constant_outputs(self, labels: Int[Tensor, " unit"]) -> Float[Tensor, " label"]:
        """Those that predict the most frequent label of train: how often each one is."""
        return torch.bincount(labels, minlength=len(self)).float()

    def control(self, units: Units, train: Units, seed: int) -> Int[Tensor, " unit"]:
        """A draw for each type from the label distribution over the units of train."""
        reached = torch.bincount(train.labels, minlength=len(self)).cumsum(0).double() / len(train)
        return torch.searchsorted(reached, drawn(units.types, seed), right=True)

    def predicted(
        self, products: Float[Tensor, "probe label unit"], bias: Float[Tensor, "probe label 1"]
    ) -> Int[Tensor, "probe unit"]:
        """The label of the largest output, the first of equals: argmax over labels, which is slow in this layout."""
        best = products[:, 0] + bias[:, 0]
        label = torch.zeros(best.shape, dtype=torch.long, device=best.device)
        for i in range(1, products.shape[1]):
            other = products[:, i] + bias[:, i]
            label.masked_fill_(other > best, i)
            best = torch.maximum(best, other)
        return label

    def bank_score(self, n_probes: int, n_sentences: int, keep: bool = False) -> BankCounts:
        """Counts of nothing yet."""
        return BankCounts(n_probes, len(self), n_sentences, keep, self.names if self.are_spans else ())

    def keeps(self, metric: str) -> bool:
        """Macro-F1 needs what was predicted."""
        return metric != "accuracy"
