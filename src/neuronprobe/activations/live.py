"""Activations without a store: the model reads the sentences that a batch needs, and the last ones stay in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neuronprobe.activations.extraction import chunks, n_rows, read_sentences
from neuronprobe.activations.store import finite_peak
from neuronprobe.models import Source
from neuronprobe.types import Sentence


class LiveStore:
    """What a store of a split would give, in float32, for corpora larger than the disk.

    A split of at most `memory_limit` GiB is read once and stays in memory; of a larger one, sentences leave memory in
    the order in which they were last used, and each epoch reads them again.
    """

    def __init__(self, source: Source, sentences: Sequence[Sentence], memory_limit: float, budget: int) -> None:
        """Tokenises all sentences once. Raises InputError where a word gives no subword or a sentence is too long."""
        self._source, self._sentences, self._budget = source, sentences, budget
        self.neurons = source.neurons
        rows = torch.tensor([n_rows(sentence, source.level) for sentence in sentences])
        self._starts = rows.cumsum(0) - rows
        self.n_words = int(rows.sum())
        self.dropped: Int[Tensor, " word"] = torch.zeros(0, dtype=torch.long)
        self.windows = 0
        self._tokenise()
        self._read: OrderedDict[int, Float[Tensor, "row neuron"]] = OrderedDict()
        self._most_rows = int(memory_limit * 2**30 / (4 * max(1, len(self.neurons))))
        self._n_rows = 0
        self.device = torch.device("cpu")

    def _tokenise(self) -> None:
        """Find the words without subword, and what can't be read, before the first batch."""
        row, dropped = 0, []
        for chunk in chunks(self._sentences, len(self.neurons), self._source.level):
            there = torch.zeros(sum(n_rows(sentence, self._source.level) for sentence in chunk), dtype=torch.bool)
            pieces = self._source.tokenise(chunk)
            if pieces is not None:
                there[[own for piece in pieces for own in piece.rows]] = True
                self.windows += sum(piece.is_window for piece in pieces)
                dropped.append(row + (~there).nonzero().flatten())
            row += len(there)
        self.dropped = torch.cat(dropped) if dropped else self.dropped

    @property
    def gibibytes(self) -> float:
        """Size of all activations."""
        return self.n_words * len(self.neurons) * 4 / 2**30

    def to(self, device: torch.device) -> None:
        """Where what is gathered lies; the sentences in memory stay on the CPU."""
        self.device = device

    def let_go(self) -> None:
        """Nothing leaves memory: what is there is within its limit."""

    def gather(self, rows: Int[Tensor, "unit part"]) -> Float[Tensor, "unit neuron"]:
        """Activations of units, the vectors of a unit's rows side by side."""
        sentences = torch.bucketize(rows, self._starts, right=True) - 1
        self._fetch(sentences.unique().tolist())
        parts = zip(sentences.tolist(), (rows - self._starts[sentences]).tolist(), strict=True)
        units = [torch.cat([self._read[s][r] for s, r in zip(*unit, strict=True)]) for unit in parts]
        self._forget()
        return torch.stack(units).to(self.device) if units else torch.zeros(0, rows.shape[1] * len(self.neurons))

    def _fetch(self, wanted: Sequence[int]) -> None:
        missing = [s for s in wanted if s not in self._read]
        for s in wanted:
            if s in self._read:
                self._read.move_to_end(s)
        if not missing:
            return
        chosen = [self._sentences[s] for s in missing]
        layers = read_sentences(self._source, chosen, self._budget).layers
        for segment, layer in zip(self.neurons.segments, layers, strict=True):
            finite_peak(segment, layer)
        read = torch.cat(layers, dim=1)
        sizes = [n_rows(sentence, self._source.level) for sentence in chosen]
        for s, values in zip(missing, read.split(sizes), strict=True):
            self._read[s] = values.clone()
            self._n_rows += len(values)

    def _forget(self) -> None:
        while self._n_rows > self._most_rows and self._read:
            _, values = self._read.popitem(last=False)
            self._n_rows -= len(values)
