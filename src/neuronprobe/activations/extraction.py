"""One pass of the corpus through the frozen transformer hook, into the store."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Float
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from neuronprobe.activations.store import StoreWriter
from neuronprobe.models import FrozenTransformer
from neuronprobe.models.subwords import SubwordSentence
from neuronprobe.types import Sentence

CHUNK_WORDS = 8192
"""Words between two marks of progress: a killed run loses at most these."""


def extract(
    model: FrozenTransformer, sentences: Iterable[Sentence], writer: StoreWriter, n_words: int, name: str, budget: int
) -> None:
    """Write the activations of all words that the writer lacks; `budget` is subwords per batch, padding included."""
    columns = (TextColumn("extracting {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task(f"{name} (words)", total=n_words, completed=writer.words_done)
        for chunk in _chunks(_after(sentences, writer.words_done)):
            layers = read_chunk(model, chunk, budget)
            writer.append(layers)
            progress.update(task, completed=writer.words_done)
    writer.finish()


def read_chunk(model: FrozenTransformer, sentences: Sequence[Sentence], budget: int) -> list[Float[Tensor, "word _"]]:
    """Activations of the sentences' words in their order, from batches of similar length; on the CPU, one per layer."""
    encoded = model.tokenise(sentences)
    starts = torch.tensor([0, *(len(s.words) for s in sentences)]).cumsum(0).tolist()
    total = starts[-1]
    layers = [torch.empty(total, segment.width) for segment in model.neurons.segments]
    for batch in length_buckets(encoded, budget):
        rows = torch.cat([torch.arange(starts[i], starts[i + 1]) for i in batch])
        for layer, values in zip(layers, model.read([encoded[i] for i in batch]), strict=True):
            layer[rows] = values.float().cpu()
    return layers


def length_buckets(encoded: Sequence[SubwordSentence], budget: int) -> Iterator[list[int]]:
    """Sentences of similar length by index, longest first; at most `budget` subwords a batch, or one sentence."""
    by_length = sorted(range(len(encoded)), key=lambda i: -len(encoded[i]))
    batch: list[int] = []
    for i in by_length:
        if batch and len(encoded[batch[0]]) * (len(batch) + 1) > budget:
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


def _chunks(sentences: Iterable[Sentence]) -> Iterator[list[Sentence]]:
    chunk: list[Sentence] = []
    words = 0
    for sentence in sentences:
        chunk.append(sentence)
        words += len(sentence.words)
        if words >= CHUNK_WORDS:
            yield chunk
            chunk, words = [], 0
    if chunk:
        yield chunk
