"""From activations to portraits: no forward pass, every number is a reduction over the words of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from neuronprobe.activations import Store
from neuronprobe.neurons import NeuronTable
from neuronprobe.portraits.portrait import Portrait, Side, TintedSentence, TopWord
from neuronprobe.progress import bar
from neuronprobe.properties.units import Collected
from neuronprobe.types import Sentence

AT_A_TIME = 64
"""Neurons whose activations are in memory together."""


@dataclass(frozen=True)
class Text:
    """What the rows of a store are: the form of each (a word, or a whole sentence), and where sentences begin.

    `rows` are those of the units that are looked at, part by part; `labels` index `names` (none where the property has
    values).
    """

    forms: Sequence[str]
    starts: Int[Tensor, " sentence"]
    rows: Int[Tensor, "unit part"]
    labels: Real[Tensor, " unit"]
    names: Sequence[str]

    @classmethod
    def of(cls, sentences: Iterable[tuple[str, ...]], units: Collected, dropped: Int[Tensor, " row"]) -> Text:
        """Of the forms of each sentence's rows; units of rows that were dropped are not looked at."""
        kept = list(sentences)
        starts = torch.tensor([0, *map(len, kept)]).cumsum(0)[:-1]
        has_rows = ~torch.isin(units.rows, dropped).any(1)
        forms = [form for own in kept for form in own]
        return cls(forms, starts, units.rows[has_rows], units.labels[has_rows], units.names)

    @cached_property
    def occurrences(self) -> list[Occurrences]:
        """The words of each part of the units."""
        return [Occurrences(self, self.rows[:, part].numpy()) for part in range(self.rows.shape[1])]


def forms_of(sentence: Sentence, level: str) -> tuple[str, ...]:
    """What the rows of a sentence are: its words, or all of it."""
    return (" ".join(sentence.words),) if level == "sentence" else sentence.words


class Occurrences:
    """The words of units, sorted so that those of one form lie together."""

    def __init__(self, text: Text, rows: Any) -> None:
        known: dict[str, int] = {}
        forms = np.array([known.setdefault(text.forms[row], len(known)) for row in rows.tolist()])
        order = np.argsort(forms, kind="stable")
        self.words = list(known)
        self.rows = rows[order]
        self.counts = np.bincount(forms)
        self.starts = np.cumsum(self.counts) - self.counts
        self.labels = text.labels.numpy()[order] if text.names else None
        self.names = text.names

    def label(self, word: int) -> str | None:
        """The most frequent label of a word."""
        found = self.labels_of([word])
        return max(found, key=lambda name: found[name], default=None)

    def labels_of(self, words: Sequence[int]) -> dict[str, float]:
        """The share of each label among all occurrences of these words, largest first."""
        if self.labels is None:
            return {}
        own = [self.labels[self.starts[word] : self.starts[word] + self.counts[word]] for word in words]
        counts = Counter(np.concatenate(own).tolist()) if own else Counter()
        total = sum(counts.values())
        return {self.names[label]: count / total for label, count in counts.most_common() if label >= 0}


def portray(
    store: Store, table: NeuronTable, text: Text, neurons: Int[Tensor, " chosen"],
    ranks: Mapping[int, int] | None = None, n_words: int = 10, n_sentences: int = 3, fewest: int = 2,
) -> list[Portrait]:  # fmt: skip
    """The portraits of neurons (flat indices of `table`), in their order.

    Words that occur fewer than `fewest` times are not in the lists by mean.
    """
    width = len(store.neurons)
    columns, parts = neurons % width, neurons // width  # the roles of a unit's parts share the store's neurons
    found: dict[int, Portrait] = {}
    with bar("portraits of neurons", len(neurons)) as advance:
        for chosen in columns.argsort(stable=True).split(AT_A_TIME):
            scores, moments = _standardised(store.columns(columns[chosen]).cpu())
            for part, words in enumerate(text.occurrences):
                here = (parts[chosen] == part).nonzero().flatten().tolist()
                if not here:
                    continue
                reduced = _Reduced(scores[:, here], words, text, n_words, n_sentences, fewest)
                for column, which in enumerate(here):
                    flat, (mean, deviation) = int(neurons[chosen[which]]), moments[which]
                    sides = reduced.side(column, 1), reduced.side(column, -1)
                    found[flat] = Portrait(table.neuron(flat), (ranks or {}).get(flat), mean, deviation, *sides)
            advance(len(found))
    return [found[flat] for flat in neurons.tolist()]


def _standardised(values: Float[Tensor, "word chosen"]) -> tuple[Any, list[tuple[float, float]]]:
    """z-scores as an array, and mean and deviation of each neuron; a constant is nowhere far out."""
    mean = values.mean(0, dtype=torch.float64)
    deviation = values.double().std(0, correction=0)
    scale = torch.where(deviation > 1e-6 * mean.abs(), deviation, torch.inf)
    moments = [(float(f"{m:.6g}"), float(f"{d:.6g}")) for m, d in zip(mean.tolist(), deviation.tolist(), strict=True)]
    return ((values - mean.float()) / scale.float()).numpy(), moments


class _Reduced:
    """z-scores of some neurons, reduced to words and to sentences."""

    def __init__(
        self, scores: Any, words: Occurrences, text: Text, n_words: int, n_sentences: int, fewest: int
    ) -> None:
        self._scores, self._words, self._text = scores, words, text
        self._n_words, self._n_sentences = n_words, n_sentences
        own = np.ascontiguousarray(scores[words.rows])
        counts = words.counts[:, None]
        self._mean = np.add.reduceat(own, words.starts, dtype=np.float64) / counts
        self._magnitude = np.add.reduceat(np.abs(own), words.starts, dtype=np.float64) / counts
        self._ends = {1: np.maximum.reduceat(own, words.starts), -1: np.minimum.reduceat(own, words.starts)}
        starts = text.starts.numpy()
        self._sentences = {1: np.maximum.reduceat(scores, starts), -1: np.minimum.reduceat(scores, starts)}
        self._is_rare = words.counts < fewest

    def side(self, neuron: int, sign: int) -> Side:
        """What excites (sign 1) or inhibits (sign −1)."""
        mean, ends = sign * self._mean[:, neuron], sign * self._ends[sign][:, neuron]
        by_mean = _largest(np.where((mean > 0) & ~self._is_rare, self._magnitude[:, neuron], 0), self._n_words)
        by_extreme = _largest(ends, self._n_words)
        sentences = _largest(sign * self._sentences[sign][:, neuron], self._n_sentences)
        return Side(
            tuple(self._word(word, neuron, sign) for word in by_mean),
            tuple(self._word(word, neuron, sign) for word in by_extreme),
            self._words.labels_of(by_mean),
            tuple(self._sentence(sentence, neuron) for sentence in sentences),
        )

    def _word(self, word: int, neuron: int, sign: int) -> TopWord:
        words = self._words
        numbers = (array[word, neuron] for array in (self._mean, self._magnitude, self._ends[sign]))
        return TopWord(words.words[word], int(words.counts[word]), words.label(word), *map(_short, numbers))

    def _sentence(self, sentence: int, neuron: int) -> TintedSentence:
        starts = self._text.starts
        start = int(starts[sentence])
        stop = int(starts[sentence + 1]) if sentence + 1 < len(starts) else len(self._text.forms)
        scores = self._scores[start:stop, neuron].tolist()
        return TintedSentence(tuple(self._text.forms[start:stop]), tuple(map(_short, scores)))


def _largest(scores: Any, n: int) -> list[int]:
    """Where the n largest scores above 0 are, largest first; the first of equals first."""
    order = np.argsort(-scores, kind="stable")[:n]
    return [int(position) for position in order if scores[position] > 0]


def _short(score: Any) -> float:
    return round(float(score), 3)
