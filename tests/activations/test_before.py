"""What is checked and said of a corpus before any activation is extracted."""

from __future__ import annotations

import logging
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from neuronprobe.activations import ActivationsDataModule
from neuronprobe.activations.preview import preview
from neuronprobe.corpora import ConlluCorpus, WordsCorpus
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from neuronprobe.progress import duration
from neuronprobe.properties import WordProperty
from tests.sources import module

Words = list[tuple[list[str], list[str | None]]]


def data(train: Words, dev: Words, test: Words, model: Path, folder: Path, **settings: Any) -> ActivationsDataModule:
    corpus = WordsCorpus(train, dev, test)
    prop = WordProperty("label", allow_many_labels=True)
    return ActivationsDataModule(corpus, prop, FrozenTransformer(str(model)), str(folder), **settings)


TRAIN: Words = [(["the", "end"], ["A", "B"]), (["an", "end"], ["A", "B"]), (["of", "it"], ["C", "C"])]


def test_splits_that_share_sentences_or_lack_labels_are_said_and_counted(
    tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other: Words = [(["the", "end"], ["A", "B"]), (["a", "start"], ["A", "D"])]
    found = data(TRAIN, TRAIN, other, tiny_bert, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert found.contents["test"].n_sentences == 2
    said = caplog.messages
    assert "dev: all 3 sentences are those of train: what is measured there is memory; give other files." in said
    assert "test: 1 of 2 sentences (50.0 %) are in train too; corpus.unique=true leaves them out." in said
    assert "test lacks 1 labels of train: C." in said
    assert found.counts["dev"] == {"sentences_also_in_train": 3}
    assert found.counts["test"] == {"sentences_also_in_train": 1, "sentences_also_in_dev": 1}
    assert not list(tmp_path.iterdir()), "all before the extraction"


def test_many_labels_and_labels_that_are_numbers_are_said(
    tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [f"w{i}" for i in range(320)]
    text: Words = [(words, [f"L{i}" for i in range(320)]), (["a"] * 12, ["L0"] * 12)]
    with caplog.at_level(logging.WARNING):
        assert data(text, text, text, tiny_bert, tmp_path).contents
        numbers: Words = [(words, [str(i % 40) for i in range(320)])]
        assert data(numbers, numbers, numbers, tiny_bert, tmp_path).contents
    said = " ".join(caplog.messages)
    assert "train has 320 labels, 319 of them with fewer than 10 units" in said
    assert "property.min_count=10 leaves 1." in said
    assert "train has 40 labels, which are numbers: property=score takes them as values." in said


def test_a_word_without_subword_in_test_is_said_before_train_is_extracted(tiny_bert: Path, tmp_path: Path) -> None:
    broken: Words = [(["the", "\u200b"], ["A", "B"])]
    found = data(TRAIN, TRAIN, broken, tiny_bert, tmp_path)
    with pytest.raises(InputError, match=r"word 2 of sentence test-1 must give at least one subword"):
        found.prepare_data()
    assert found.extracted == [] and not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_a_disk_that_cannot_hold_all_splits_is_said_with_ways_out(
    tiny_bert: Path, corpus: ConlluCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    found = ActivationsDataModule(corpus, WordProperty("upos"), FrozenTransformer(str(tiny_bert)), str(tmp_path))
    n_rows = sum(own.n_rows for own in found.contents.values())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, n_rows * 96 * 2 - 1))
    with pytest.raises(InputError, match=r"for train, dev, test, got .*activations=live, .*corpus\.max_words"):
        found.prepare_data()
    assert found.extracted == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, n_rows * 96 * 2))
    found._prepared = False
    found.prepare_data()
    assert found.extracted == ["train", "dev", "test"]
    sizes = [path.stat().st_size for path in tmp_path.glob("*/*.npy")]
    assert found.estimated["store_bytes"] == sum(sizes) - 128 * len(sizes), "but for the headers"


def test_what_is_there_already_is_not_looked_at_again(
    tiny_bert: Path, corpus: ConlluCorpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path)
        assert any(
            line.startswith("to extract: ") and "(train, dev, test) × 96 neurons" in line for line in caplog.messages
        )
        caplog.clear()
        again = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path)
    assert again.estimated == {} and not any(line.startswith("to extract: ") for line in caplog.messages)


def test_time_is_estimated_where_it_is_worth_it(tiny_bert: Path, tmp_path: Path) -> None:
    long = WordsCorpus(*([TRAIN * 200] * 3))
    model = FrozenTransformer(str(tiny_bert))
    rows, stores = dict.fromkeys(("train", "dev"), 1200), {"train": tmp_path / "a", "dev": tmp_path / "b"}
    found = preview(model, long, rows, stores, 2, 2048)
    assert found.seconds is not None and 0 < found.seconds < 600
    assert found.n_bytes == dict.fromkeys(rows, 1200 * 96 * 2)
    assert f"about {duration(found.seconds)}." in found.text(tmp_path)
    assert [duration(s) for s in (0.2, 89, 100, 7200)] == ["1 s", "89 s", "2 min", "2.0 h"]
