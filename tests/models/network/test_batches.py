"""Batches of sentences of similar length, and halves of them where memory runs out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from neuronprobe.models.network.batches import length_buckets, read_or_halve
from neuronprobe.models.network.subwords import SubwordSentence
from tests.families import sentences


def test_length_buckets_hold_every_sentence_once_within_the_budget(tiny_bert: Path) -> None:
    encoded = FrozenTransformer(str(tiny_bert)).tokenise(sentences())
    batches = list(length_buckets(encoded, budget=200))
    assert sorted(i for batch in batches for i in batch) == list(range(len(encoded)))
    for batch in batches:
        longest = max(len(encoded[i]) for i in batch)
        assert len(batch) == 1 or longest * len(batch) <= 200


def test_long_and_short_sentences_share_only_small_batches() -> None:
    encoded = [SubwordSentence(ids=[0] * n, type_ids=None, spans=[(0, 1)], rows=[0]) for n in (40, 40, 10, 10, 38)]
    assert list(length_buckets(encoded, budget=400)) == [[0, 1, 4], [2, 3]], "padding 10 to 40 costs more than a batch"
    assert list(length_buckets(encoded, budget=1000)) == [[0, 1, 4, 2, 3]], "a small batch is filled up"


def test_out_of_memory_halves_the_batch_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    sizes: list[int] = []

    def read(batch: Any) -> list[Tensor]:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [torch.tensor([[float(len(piece))] for piece in batch])]

    pieces = [SubwordSentence([0] * n, None, [(0, 1)], [n]) for n in range(1, 9)]
    (read_values,) = read_or_halve(read, pieces)
    assert read_values.flatten().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sizes == [8, 4, 2, 2, 4, 2, 2] and "going on with 4" in caplog.text

    def never(batch: Any) -> list[Tensor]:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    with pytest.raises(InputError, match="must fit in memory with one sentence"):
        read_or_halve(never, pieces[:2])

    def broken(batch: Any) -> list[Tensor]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        read_or_halve(broken, pieces)
