"""What flows from floor to floor: sentences, units, batches, rankings, rows, tables, figures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int, Real
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.ordering import depth, in_order, shares
from neuronprobe.shown import Figure, Table

UNKNOWN = -1
"""Label index of the first dev or test label that train lacks, the next ones are below it.

No probe can predict such a label, so it is scored as wrong.
"""


@dataclass(frozen=True)
class Sentence:
    """Annotated words. `annotations[column][i]` is the label of word i in that column, or None.

    `labels[name]` is a label of the sentence itself. In a pair of sentences, word `second` is the first of the second.
    """

    id: str
    words: tuple[str, ...]
    annotations: Mapping[str, tuple[str | None, ...]]
    labels: Mapping[str, str | None] = field(default_factory=dict)
    second: int | None = None
    document: str | None = None


class Unit(NamedTuple):
    """What gets one label: `rows` of the store (one for a word or a sentence, two for a pair of words).

    `label` is a name, or a number where the property has values. `type` is what the control task and the baseline count
    as the same thing (a word's form); `sentence` is the index of its sentence in the split.
    """

    rows: tuple[int, ...]
    label: str | float
    type: str
    sentence: int


@dataclass(frozen=True)
class Units:
    """All units of a split as tensors.

    `labels` index the label set of train, or are at most UNKNOWN (`unknown` has their names, in this order); of a
    property with values they are the values, in float64, standardised on train.
    """

    rows: Int[Tensor, "unit part"]
    labels: Real[Tensor, " unit"]
    sentences: Int[Tensor, " unit"]
    types: tuple[str, ...]
    n_sentences: int
    unknown: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """sha256 of rows and labels: what training sees of a property."""
        total = hashlib.sha256(self.rows.numpy().tobytes())
        total.update(self.labels.numpy().tobytes())
        return total.hexdigest()


class Batch(NamedTuple):
    """Units on their way into a bank: activations are float32, parts of a unit side by side."""

    activations: Float[Tensor, "unit neuron"]
    labels: Real[Tensor, " unit"]
    sentences: Int[Tensor, " unit"]
    positions: Int[Tensor, " unit"]
    """The position of each unit in its split."""
    share: float = 1.0
    """Of several processes: this one's units over the mean per process, so that averaged gradients are exact."""


@dataclass(frozen=True)
class Ranking:
    """All neurons, most salient first.

    The method really ordered the first `earned` neurons of `order`; those behind stand in a drawn order. `score[n]`
    says why neuron n (flat index) stands where it does. `by_label[label, n]` is how deep the neuron stands in the
    label's own order, as the share of what the label gives out that the neurons before it have; 1 where it is not the
    label's.
    """

    name: str
    order: Int[Tensor, " neuron"]
    score: Float[Tensor, " neuron"]
    earned: int
    by_label: Float[Tensor, "label neuron"]

    @classmethod
    def from_scores(
        cls, name: str, scores: Real[Tensor, "*label neuron"], seed: int = 0,
        own: Real[Tensor, "label neuron"] | None = None,
    ) -> Ranking:  # fmt: skip
        """Largest score first; neurons of score 0 are not earned, the seed draws their order.

        Of scores `[label, neuron]` the mean over labels counts, and each label has an order of its own by its row; of
        scores `[neuron]` the labels' orders are by `own`, and without it no neuron is a label's. Scores are at least 0.
        Raises InputError where they are not.
        """
        scores = _from_zero(name, scores)
        own = scores if scores.ndim == 2 else own
        score = scores.mean(0) if scores.ndim == 2 else scores
        by_label = score.new_zeros(0, len(score)) if own is None else depth(shares(_from_zero(name, own)))
        return cls(name, in_order((-score,), score > 0, seed), score, int((score > 0).sum()), by_label)

    @cached_property
    def first_block(self) -> int:
        """How many neurons tie at the front: those of the first one's score."""
        scores = self.score[self.order[: self.earned]]
        return int((scores == scores[0]).sum()) if self.earned else 0

    @cached_property
    def massless(self) -> Bool[Tensor, " label"]:
        """Labels that chose no neuron."""
        return (self.by_label >= 1).all(1)

    def served(self, k: int) -> Bool[Tensor, "label k"]:
        """Whose neurons the top k are: a label's set is as deep as covers the top k together with the other labels'."""
        depth = self.by_label[:, self.order[:k]]
        return (depth <= self.depth(k)) & (depth < 1)

    def depth(self, k: int) -> float:
        """How deep the sets of all labels must be to hold the top k."""
        return float(self.by_label[:, self.order[:k]].min(0).values.max()) if k else 0.0


def _from_zero(name: str, scores: Tensor) -> Tensor:
    """In float64, on the CPU."""
    scores = scores.detach().cpu().double()
    if not (scores.numel() and bool(scores.isfinite().all()) and float(scores.min()) >= 0):
        got = scores[~(scores >= 0) | scores.isinf()][:1].tolist() or ["none"]
        raise InputError(
            f"scores of ranking {name} must be finite and at least 0, where 0 says nothing of a neuron, got {got[0]}; "
            "take their absolute value, or their distance from the least."
        )
    return scores


@dataclass(frozen=True)
class Row:
    """One number of the result with everything that is needed to find it again; None where it has no meaning."""

    study: str
    metric: str
    value: float | None
    ranking: str | None = None
    solver: str | None = None
    task: str | None = None
    mode: str | None = None
    set: str | None = None
    k: int | None = None
    share: float | None = None
    draw: int | None = None
    seed: int | None = None
    l1: float | None = None
    l2: float | None = None
    split: str | None = None
    site: str | None = None
    layer: int | None = None
    neuron: int | None = None
    label: str | None = None
    low: float | None = None
    high: float | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Flat, flags last."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "flags"}
        return {**plain, **self.flags}


@dataclass(frozen=True)
class Result:
    """What a study found: its rows, and for each reported probe how many units of each test sentence are correct.

    Of values it is how much of the total sum of squares is explained. Probes of a set that is drawn are
    `[draw, sentence]`. `tables`, `figures` and `remarks` (sentences) are what it shows of itself; `files` are left in
    the job's folder, by name; `handed` is for the studies that build on this one.
    """

    rows: tuple[Row, ...]
    correct: Mapping[str, Real[Tensor, "*draw sentence"]] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    remarks: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    handed: Any = None

    def __add__(self, other: Result) -> Result:
        """Both together; handed on is what the first one hands on."""
        return Result(
            self.rows + other.rows, {**self.correct, **other.correct}, self.tables + other.tables,
            self.figures + other.figures, self.remarks + other.remarks, {**self.files, **other.files}, self.handed,
        )  # fmt: skip
