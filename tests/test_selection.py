"""Which sentences and units are taken: counted, seeded, and refused where nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neuronprobe.corpora import SPLITS, ColumnsCorpus, SentencesCorpus
from neuronprobe.errors import InputError
from neuronprobe.properties import LabelSelection, collect
from neuronprobe.properties.selection import counts
from neuronprobe.properties.units import Collected
from neuronprobe.types import Unit


def corpus(tmp_path: Path, n: int = 200, **settings: Any) -> ColumnsCorpus:
    """Documents of two sentences of two words each."""
    path = tmp_path / "all.txt"
    texts = [f"-DOCSTART- O\n\nw{i} A\nis B\n\nv{i} A\nwas B\n\n" for i in range(n // 2)]
    path.write_text("".join(texts))
    return ColumnsCorpus(str(path), columns={"form": 0, "label": 1}, **settings)


def words(found: Any, split: str) -> list[str]:
    return [sentence.words[0] for sentence in found.sentences(split)]


def test_ratios_draw_documents_by_the_seed(tmp_path: Path) -> None:
    parts = {split: words(corpus(tmp_path, 2000, ratios=[0.5, 0.3, 0.2]), split) for split in SPLITS}
    assert sorted(word for part in parts.values() for word in part) == sorted(
        f"{letter}{i}" for letter in "vw" for i in range(1000)
    )
    assert [len(parts[split]) for split in SPLITS] == pytest.approx([1000, 600, 400], abs=100)
    for part in parts.values():
        assert [word[1:] for word in part[::2]] == [word[1:] for word in part[1::2]], "documents stay whole"
    other = corpus(tmp_path, 2000, ratios=[0.5, 0.3, 0.2], seed=1)
    assert words(other, "train") != parts["train"]
    assert words(corpus(tmp_path, 2000, ratios=[0.5, 0.3, 0.2]), "train") == parts["train"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ratios": [0.5, 0.5]}, r"corpus\.ratios must be the shares of train, dev and test, got \[0\.5, 0\.5\]"),
        ({"ratios": [0.5, 0.4, 0.2]}, r"corpus\.ratios must give 1 together, got 1\.1"),
        ({"ratios": [1.0, 0.0, 0.0]}, r"each of corpus\.ratios must be a number from 1e-06 to 1, got 0\.0"),
        ({"ratios": [0.8, 0.1, 0.1], "held_out": 2}, r"must stand with corpus\.train alone, got corpus\.held_out too"),
        ({"held_out": 2}, r"corpus\.test must be a file, got none; or part corpus\.train by corpus\.ratios"),
        ({"ratios": [0.8, 0.1, 0.1], "max_words": 0}, r"corpus\.max_words must be a whole number of at least 1, got 0"),
        ({"ratios": [0.8, 0.1, 0.1], "unique": 1}, r"corpus\.unique must be true or false, got 1"),
    ],
)
def test_what_cannot_be_taken_is_named(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        corpus(tmp_path, **settings)


def test_a_part_that_gets_nothing_is_named(tmp_path: Path) -> None:
    found = corpus(tmp_path, 2, ratios=[0.998, 0.001, 0.001])
    with pytest.raises(InputError, match=r"corpus\.ratios must leave sentences for dev, got none of so small a corpus"):
        words(found, "dev")


def test_the_first_sentences_and_words_are_taken(tmp_path: Path) -> None:
    one = {split: str(tmp_path / "all.txt") for split in ("dev", "test")}
    assert words(corpus(tmp_path, max_sentences=3, **one), "dev") == ["w0", "v0", "w1"]
    assert words(corpus(tmp_path, max_words=5, **one), "dev") == ["w0", "v0"]
    with pytest.raises(InputError, match=r"must be a whole number"):
        corpus(tmp_path, max_sentences=1.5, **one)


def test_long_and_repeated_sentences_are_passed_over_and_counted(tmp_path: Path) -> None:
    for split, text in (("train", "a b\nc\na b\nd e f\n"), ("dev", "c\ng\nb a\n"), ("test", "g\na b\nh\n")):
        (tmp_path / split).write_text(text)
    files = [str(tmp_path / split) for split in SPLITS]
    found = SentencesCorpus(*files, label=None, unique=True, max_length=2)
    assert [" ".join(s.words) for s in found.sentences("test")] == ["h"], "what is in train and dev is known unread"
    assert [" ".join(s.words) for s in found.sentences("train")] == ["a b", "c"]
    assert [" ".join(s.words) for s in found.sentences("dev")] == ["g", "b a"]
    assert found.counts == {
        "train": {"sentences_above_max_length": 1, "repeated_sentences": 1}, "dev": {"repeated_sentences": 1},
        "test": {"repeated_sentences": 2},
    }  # fmt: skip


def units(labels: str, types: str = "") -> Collected:
    kinds = types.split() or [str(i) for i in range(len(labels))]
    return collect(Unit((i,), label, kind, i) for i, (label, kind) in enumerate(zip(labels, kinds, strict=True)))


def taken(splits: dict[str, Collected], **settings: Any) -> tuple[dict[str, Collected], dict[str, dict[str, int]]]:
    return LabelSelection(allow_many_labels=True, **settings).of(splits, "upos")


def test_rare_labels_are_dropped_or_joined_in_all_splits() -> None:
    splits = {"train": units("aaabbc"), "dev": units("abcd"), "test": units("cab")}
    found, dropped = taken(splits, min_count=2)
    assert [counts(found[split]) for split in SPLITS] == [{"a": 3, "b": 2}, {"a": 1, "b": 1, "d": 1}, {"a": 1, "b": 1}]
    assert found["test"].rows.flatten().tolist() == [1, 2] and found["test"].types == ("1", "2")
    assert dropped == {split: {"rare_units_dropped": 1} for split in SPLITS}
    found, dropped = taken(splits, min_count=3, join_rare="other")
    assert counts(found["train"]) == {"a": 3, "other": 3} and counts(found["dev"]) == {"a": 1, "other": 2, "d": 1}
    assert dropped == {"train": {}, "dev": {}, "test": {}}
    with pytest.raises(InputError, match="property upos must leave units in train, got none but rare ones"):
        taken(splits, min_count=9)


def test_disjoint_types_are_in_one_split_each() -> None:
    types = " ".join(f"w{i % 50}" for i in range(500))
    splits = {split: units("ab" * 250, types) for split in SPLITS}
    found, dropped = taken(splits, disjoint_types=True)
    kinds = [set(found[split].types) for split in SPLITS]
    assert set().union(*kinds) == {f"w{i}" for i in range(50)} and sum(map(len, kinds)) == 50
    assert all(len(found[split]) + dropped[split]["other_types_units_dropped"] == 500 for split in SPLITS)
    assert taken(splits, disjoint_types=True)[0]["dev"].types == found["dev"].types
    assert taken(splits, disjoint_types=True, seed=3)[0]["dev"].types != found["dev"].types


def test_balanced_units_are_as_many_for_each_label() -> None:
    splits = {split: units("aaaaaabbbcc" * 20) for split in SPLITS}
    found, dropped = taken(splits, balanced=True)
    assert counts(found["train"]) == {"a": 40, "b": 40, "c": 40} and dropped["dev"] == {"unbalanced_units_dropped": 100}
    rows = found["train"].rows.flatten().tolist()
    assert rows == sorted(rows), "in the order of the corpus"
    assert taken(splits, balanced=True, seed=1)[0]["train"].rows.flatten().tolist() != rows


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([str(i) for i in range(6)] * 1 + ["0"] * 5, r"must have at most half as many labels as units, got 6 labels"),
        (["3.5", "0.0", "4.25"] * 50, r"property upos must have labels, got 3 numbers \(0\.0, 3\.5, 4\.25, …\)"),
    ],
)
def test_labels_that_are_none_are_refused_unless_allowed(labels: list[str], message: str) -> None:
    found = collect(Unit((i,), label, "w", i) for i, label in enumerate(labels))
    splits = dict.fromkeys(SPLITS, found)
    with pytest.raises(InputError, match=message + r".*property\.allow_many_labels=true"):
        LabelSelection().of(splits, "upos")
    assert taken(splits)[0]["train"] is found
    few = collect(Unit((i,), label, "w", i) for i, label in enumerate(["0.0", "1.0", "2.0"] * 9))
    LabelSelection().of(dict.fromkeys(SPLITS, few), "rating")


@pytest.mark.parametrize("settings", [{"min_count": 0}, {"join_rare": 3}, {"balanced": "yes"}, {"seed": -1}])
def test_a_setting_that_cannot_be_used_is_named(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"property\.{next(iter(settings))} must be"):
        LabelSelection(**settings)
