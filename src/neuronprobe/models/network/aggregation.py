"""One vector per word from those of its subwords, or one per sentence."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

OF_WORDS = ("last", "first", "average", "max")
OF_SENTENCES = ("sentence_cls", "sentence_mean", "sentence_last")
AGGREGATIONS = (*OF_WORDS, *OF_SENTENCES)


def aggregate(
    state: Float[Tensor, "sentence position neuron"],
    sentences: Int[Tensor, " row"],
    starts: Int[Tensor, " row"],
    ends: Int[Tensor, " row"],
    how: str,
) -> Float[Tensor, "row neuron"]:
    """The vector of each span of positions [start, end) of a sentence: its last, first, mean or largest values."""
    if how in ("last", "sentence_last"):
        return state[sentences, ends - 1]
    if how in ("first", "sentence_cls"):
        return state[sentences, starts]
    lengths = ends - starts
    rows = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    offsets = torch.arange(len(rows), device=rows.device) - (lengths.cumsum(0) - lengths)[rows]
    values = state[sentences[rows], starts[rows] + offsets].float()
    return torch.segment_reduce(values, "max" if how == "max" else "mean", lengths=lengths)
