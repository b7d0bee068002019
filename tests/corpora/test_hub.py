"""Datasets of Hugging Face, from folders: by words, by sentences, streamed."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuronprobe.corpora import SPLITS, HubCorpus
from neuronprobe.errors import InputError

datasets = pytest.importorskip("datasets", reason="datasets is an optional extra: pip install -e '.[datasets]'")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def test_words_of_a_saved_dataset_have_the_names_of_their_classes(tmp_path: Path, offline: None) -> None:
    kinds = datasets.ClassLabel(names=["O", "B-X"])
    features = datasets.Features({"tokens": [datasets.Value("string")], "tags": [kinds]})
    rows = {"tokens": [["a", "b"], ["c"]], "tags": [[0, 1], [-1]]}
    whole = {split: datasets.Dataset.from_dict(rows, features) for split in ("train", "validation", "test")}
    datasets.DatasetDict(whole).save_to_disk(str(tmp_path / "saved"))
    corpus = HubCorpus(str(tmp_path / "saved"), columns={"form": "tokens", "ner": "tags"})
    for split in SPLITS:
        found = [(s.words, s.annotations) for s in corpus.sentences(split)]
        assert found == [(("a", "b"), {"ner": ("O", "B-X")}), (("c",), {"ner": (None,)})]
    assert corpus.name == "saved"


@pytest.mark.parametrize("streaming", [False, True])
def test_sentences_and_pairs_of_a_folder(streaming: bool, tmp_path: Path, offline: None) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"one": "a b", "two": "c", "label": 1}\n' * 6)
    settings = {"dev": None, "test": "train", "held_out": 2, "streaming": streaming}
    corpus = HubCorpus(str(folder), text=["one", "two"], label="label", **settings)
    assert len(list(corpus.sentences("train"))) == 4
    first = next(corpus.sentences("dev"))
    assert (first.words, first.second, first.labels) == (("a", "b", "c"), 2, {"label": "1"})
    with pytest.raises(InputError, match=r"train, row 1, must have a column topic, got one, two, label"):
        list(HubCorpus(str(folder), text="one", label="topic", **settings).sentences("train"))
    with pytest.raises(InputError, match=r"corpus\.path must be a dataset with a split 'validation', got .*folder"):
        list(HubCorpus(str(folder), text="one").sentences("dev"))


def test_either_words_or_a_text_is_named() -> None:
    for settings in ({}, {"text": "a", "columns": {"form": "tokens"}}, {"columns": {"ner": "tags"}}):
        with pytest.raises(InputError, match="corpus must have either columns with form"):
            HubCorpus("name", **settings)
