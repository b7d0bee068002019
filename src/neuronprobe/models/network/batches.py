"""Batches of sentences of similar length, and what is read of them; halved where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.models.network.subwords import SubwordSentence
from neuronprobe.models.source import Chunk

log = logging.getLogger(__name__)

LEAST_SHARE = 0.75
"""A batch is closed before a sentence shorter than this share of its longest, unless it is still small."""
SMALL = 0.25
"""Of the budget: padding a small batch costs less than starting another."""
Layers = list[Float[Tensor, "row _"]]
Read = Callable[[Sequence[SubwordSentence]], Layers]


def read_in_batches(
    pieces: Sequence[SubwordSentence], n_rows: int, widths: Sequence[int], budget: int, read: Read
) -> Chunk:
    """All rows in their order, from batches of sentences of similar length."""
    layers = [torch.zeros(n_rows, width) for width in widths]
    dropped = torch.ones(n_rows, dtype=torch.bool)
    for batch in length_buckets(pieces, budget):
        rows = torch.tensor([row for i in batch for row in pieces[i].rows])
        dropped[rows] = False
        for layer, values in zip(layers, read_or_halve(read, [pieces[i] for i in batch]), strict=True):
            layer[rows] = values
    return Chunk(layers, dropped.nonzero().flatten().tolist(), sum(piece.is_window for piece in pieces))


def read_or_halve(read: Read, batch: Sequence[SubwordSentence]) -> Layers:
    """Read a batch; where memory runs out, its halves one after the other. InputError if one sentence is too much."""
    try:
        return [values.float().cpu() for values in read(batch)]
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    if len(batch) == 1:
        raise InputError(
            f"the model must fit in memory with one sentence, got out of memory at {len(batch[0])} subwords; choose a "
            "smaller model.dtype or fewer model.layers, or split long sentences."
        )
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(batch) // 2
    log.warning("Out of memory with %d sentences at once: going on with %d; lower activations.subwords_per_batch.",
                len(batch), half)  # fmt: skip
    halves = read_or_halve(read, batch[:half]), read_or_halve(read, batch[half:])
    return [torch.cat(both) for both in zip(*halves, strict=True)]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    is_meant = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return is_meant or "can't allocate memory" in str(error) or "out of memory" in str(error).lower()


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
