"""A source of activations in place of a transformer: one neuron for each letter, which asks whether a word has it."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

import torch

from neuronprobe.models.source import Chunk
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.types import Sentence


class Letters:
    """26 neurons in one layer. `fingerprint` is all that decides the numbers: the store is known by it."""

    title, level = "letters", "word"
    neurons = NeuronTable((Segment("letters", 0, len(ascii_lowercase)),))
    fingerprint = {"letters": ascii_lowercase}  # noqa: RUF012

    def tokenise(self, sentences: Sequence[Sentence]) -> None:
        """Nothing is prepared in the thread that runs ahead."""

    def chunk(self, sentences: Sequence[Sentence], prepared: Any, budget: int) -> Chunk:
        """The activations of all words, one tensor [word, neuron] for each segment; no word was dropped."""
        words = [word.lower() for sentence in sentences for word in sentence.words]
        return Chunk([torch.tensor([[float(letter in word) for letter in ascii_lowercase] for word in words])], [], 0)
