"""Activations of whole sentences, and labels that are theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from neuronprobe.corpora import LinesCorpus
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from neuronprobe.properties import SentenceProperty, WordProperty
from tests.sources import module


def test_a_label_of_sentences_is_read_from_a_row_for_each(
    small_questions: dict[str, str], tiny_bert: Path, tmp_path: Path
) -> None:
    corpus = LinesCorpus(
        **small_questions, held_out=100, separator="blank", coarse=":", encoding="latin-1", prop="question"
    )
    model = FrozenTransformer(str(tiny_bert), aggregation="sentence_mean")
    data = module(corpus, model, tmp_path, SentenceProperty("question"))
    assert list(data.target.names) == ["HUM", "LOC", "NUM"]
    assert [len(data.split(name)) for name in ("train", "dev", "test")] == [500, 100, 90]
    assert data.split("train").batch(torch.tensor([3])).activations.shape == (1, 96)
    assert list(module(corpus, model, tmp_path, SentenceProperty("question_fine")).target.names) == [
        "HUM:ind",
        "LOC:city",
        "NUM:date",
    ]
    with pytest.raises(InputError, match=r"model\.aggregation must give a row for each sentence for property question"):
        module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path, SentenceProperty("question"))
    with pytest.raises(InputError, match="choose last, first, average or max"):
        module(corpus, model, tmp_path, WordProperty("upos"))
    with pytest.raises(
        InputError, match=r"a label of sentences \(question, question_fine in this corpus\), got 'topic'"
    ):
        module(corpus, model, tmp_path, SentenceProperty("topic")).target  # noqa: B018
