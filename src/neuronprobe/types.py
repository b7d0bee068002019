"""What flows from floor to floor: sentences, units, batches, rankings, rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

UNKNOWN = -1
"""Label index of the first dev or test label that train lacks, the next ones are below it.

No probe can predict such a label, so it is scored as wrong.
"""


@dataclass(frozen=True)
class Sentence:
    """Annotated words. `annotations[column][i]` is the label of word i in that column, or None.

    `labels[name]` is a label of the sentence itself.
    """

    id: str
    words: tuple[str, ...]
    annotations: Mapping[str, tuple[str | None, ...]]
    labels: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """What gets one label: `rows` of the store (one for a word or a sentence, two for a pair of words).

    `type` is what the control task and the baseline count as the same thing (a word's form);
    `sentence` is the index of its sentence in the split.
    """

    rows: tuple[int, ...]
    label: str
    type: str
    sentence: int


@dataclass(frozen=True)
class Units:
    """All units of a split as tensors; `labels` index the label set of train, or are at most UNKNOWN."""

    rows: Int[Tensor, "unit part"]
    labels: Int[Tensor, " unit"]
    sentences: Int[Tensor, " unit"]
    types: tuple[str, ...]
    n_sentences: int

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def n_unknown(self) -> int:
        """How many labels there are that train lacks."""
        return len(self.labels[self.labels <= UNKNOWN].unique())

    @cached_property
    def digest(self) -> str:
        """sha256 of rows and labels: what training sees of a property."""
        total = hashlib.sha256(self.rows.numpy().tobytes())
        total.update(self.labels.numpy().tobytes())
        return total.hexdigest()


class Batch(NamedTuple):
    """Units on their way into a bank: activations are float32, parts of a unit side by side."""

    activations: Float[Tensor, "unit neuron"]
    labels: Int[Tensor, " unit"]
    sentences: Int[Tensor, " unit"]
    places: Int[Tensor, " unit"]
    """The place of each unit in its split."""
    share: float = 1.0
    """Of several processes: this one's units over the mean per process, so that averaged gradients are exact."""


@dataclass(frozen=True)
class Ranking:
    """All neurons, most salient first.

    `score[n]` says why neuron n (flat index) stands where it does. `by_label[label]` is a permutation per
    label; `entry[label, neuron]` is the share of the label's weight mass that is strictly heavier than the
    neuron (1 for a weight of zero). `cuts[p]` is how many neurons hold p % of the mass of every label,
    p = 0..100. `first_block` neurons tie at the front. The method really ordered `earned` neurons; those behind stand
    in a drawn order. `massless` labels chose no neuron.
    """

    name: str
    order: Int[Tensor, " neuron"]
    score: Float[Tensor, " neuron"]
    by_label: Int[Tensor, "label neuron"]
    entry: Float[Tensor, "label neuron"]
    cuts: tuple[int, ...]
    first_block: int
    earned: int
    massless: Bool[Tensor, " label"]

    def labels_served(self, k: int) -> dict[int, list[int]]:
        """For each of the top k neurons the labels in whose set it is, at the mass where the top k is complete."""
        top = self.order[:k]
        mass = self.score[top].max() if k else 0.0
        served = (self.entry[:, top] <= mass) & ~self.massless[:, None] & (self.entry[:, top] < 1)
        return {int(n): served[:, i].nonzero().flatten().tolist() for i, n in enumerate(top)}


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

    Probes of a set that is drawn are `[draw, sentence]`.
    """

    rows: tuple[Row, ...]
    correct: Mapping[str, Int[Tensor, "*draw sentence"]] = field(default_factory=dict)
