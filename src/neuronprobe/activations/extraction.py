"""One pass of the corpus through the frozen transformer hook, into the store."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from neuronprobe.activations.store import StoreWriter
from neuronprobe.models import FrozenTransformer
from neuronprobe.models.subwords import SubwordSentence
from neuronprobe.types import Sentence

CHUNK_BYTES = 192 * 2**20
"""Activations (float32) between two marks of progress: a killed run loses at most these."""
LEAST_SHARE = 0.75
"""A batch is closed before a sentence shorter than this share of its longest, unless it is still small."""
SMALL = 0.25
"""Of the budget: padding a small batch costs less than starting another."""


class Chunk(NamedTuple):
    """What was read of some sentences: a tensor per layer on the CPU, the rows of dropped words (zeros), windows."""

    layers: list[Float[Tensor, "word _"]]
    dropped: list[int]
    windows: int


def extract(
    model: FrozenTransformer, sentences: Iterable[Sentence], writer: StoreWriter, n_words: int, name: str, budget: int
) -> None:
    """Write the activations of all words that the writer lacks; `budget` is subwords per batch, padding included."""
    columns = (TextColumn("extracting {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task(f"{name} (words)", total=n_words, completed=writer.words_done)
        for chunk in chunks(_after(sentences, writer.words_done), len(model.neurons)):
            read = read_chunk(model, chunk, budget)
            writer.append(read.layers, read.dropped, read.windows)
            progress.update(task, completed=writer.words_done)
    writer.finish()


def read_chunk(model: FrozenTransformer, sentences: Sequence[Sentence], budget: int) -> Chunk:
    """Activations of the sentences' words in their order, from batches of sentences of similar length."""
    encoded = model.tokenise(sentences)
    total = sum(len(sentence.words) for sentence in sentences)
    layers = [torch.zeros(total, segment.width) for segment in model.neurons.segments]
    dropped = torch.ones(total, dtype=torch.bool)
    for batch in length_buckets(encoded, budget):
        rows = torch.tensor([row for i in batch for row in encoded[i].rows])
        dropped[rows] = False
        for layer, values in zip(layers, model.read([encoded[i] for i in batch]), strict=True):
            layer[rows] = values.float().cpu()
    return Chunk(layers, dropped.nonzero().flatten().tolist(), sum(piece.is_window for piece in encoded))


def length_buckets(encoded: Sequence[SubwordSentence], budget: int) -> Iterator[list[int]]:
    """Sentences of similar length by index, longest first; at most `budget` subwords a batch, or one sentence."""
    by_length = sorted(range(len(encoded)), key=lambda i: -len(encoded[i]))
    batch: list[int] = []
    for i in by_length:
        longest = len(encoded[batch[0]]) if batch else 0
        is_full = longest * (len(batch) + 1) > budget
        is_uneven = len(encoded[i]) < LEAST_SHARE * longest and longest * len(batch) >= SMALL * budget
        if batch and (is_full or is_uneven):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _after(sentences: Iterable[Sentence], words_done: int) -> Iterator[Sentence]:
    seen = 0
    for sentence in sentences:
        seen += len(sentence.words)
        if seen > words_done:
            yield sentence


def chunks(sentences: Iterable[Sentence], n_neurons: int) -> Iterator[list[Sentence]]:
    """Consecutive sentences whose activations are held in memory together."""
    chunk: list[Sentence] = []
    words = 0
    for sentence in sentences:
        chunk.append(sentence)
        words += len(sentence.words)
        if 4 * words * n_neurons >= CHUNK_BYTES:
            yield chunk
            chunk, words = [], 0
    if chunk:
        yield chunk
