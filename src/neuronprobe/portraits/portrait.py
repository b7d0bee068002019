"""What a neuron looks like, as data: activations are z-scores over all words of the split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neuronprobe.neurons import Neuron


@dataclass(frozen=True)
class TopWord:
    """A word that excites or inhibits a neuron: how often it occurs, its most frequent label, and its z-scores.

    `mean` is over its occurrences, `magnitude` is the mean of |z|, `extreme` the largest z (inhibiting: the smallest).
    """

    word: str
    count: int
    label: str | None
    mean: float
    magnitude: float
    extreme: float


@dataclass(frozen=True)
class TintedSentence:
    """The words of a sentence, each with its z-score; a sentence that is one vector has one z for all."""

    words: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Side:
    """What excites a neuron, or what inhibits it.

    Words by their mean |z|, and by their single occurrence that is furthest out; the share of each label among all
    occurrences of the former; the sentences with the furthest occurrences.
    """

    by_mean: tuple[TopWord, ...]
    by_extreme: tuple[TopWord, ...]
    labels: Mapping[str, float]
    sentences: tuple[TintedSentence, ...]

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Side:
        """From what a portraits.json holds."""
        by_mean, by_extreme = (tuple(TopWord(**top) for top in plain[name]) for name in ("by_mean", "by_extreme"))
        sentences = (TintedSentence(tuple(one["words"]), tuple(one["scores"])) for one in plain["sentences"])
        return cls(by_mean, by_extreme, dict(plain["labels"]), tuple(sentences))


@dataclass(frozen=True)
class Portrait:
    """A neuron with what excites and what inhibits it; `rank` is its position in the primary ranking, from 1.

    `mean` and `deviation` are those of its activation, which z-scores are made with.
    """

    neuron: Neuron
    rank: int | None
    mean: float
    deviation: float
    excites: Side
    inhibits: Side

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Portrait:
        """From what a portraits.json holds."""
        sides = {name: Side.read(plain[name]) for name in ("excites", "inhibits")}
        return cls(**{**plain, "neuron": Neuron(**plain["neuron"]), **sides})

    @property
    def name(self) -> str:
        """As it is asked for: `3:17`, with role and site where they tell neurons apart."""
        neuron = self.neuron
        site = None if neuron.site == "residual" else neuron.site
        return ":".join(str(part) for part in (neuron.role, site, neuron.layer, neuron.index) if part is not None)
