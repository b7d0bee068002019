"""Types, unseen types and units of each label in the summary of the corpus."""

from __future__ import annotations

import torch

from neuronprobe.studies import baselines, corpus_summary, vocabulary
from neuronprobe.studies.baselines import corpus_table
from neuronprobe.studies.vocabulary import vocabulary_text
from neuronprobe.targets import Labels
from neuronprobe.types import UNKNOWN, Units


def units(labels: list[int], types: str) -> Units:
    n = len(labels)
    return Units(
        torch.arange(n)[:, None], torch.tensor(labels), torch.zeros(n, dtype=torch.long), tuple(types.split()), 1
    )


def test_types_unseen_ones_and_units_of_each_label_are_counted() -> None:
    splits = {
        "train": units([0, 1, 1], "a b b"), "dev": units([0, UNKNOWN, 0, 0], "a c c d"), "test": units([1], "b"),
    }  # fmt: skip
    rows = vocabulary(Labels(("X", "Y", "Z")), splits)
    found = {(row.metric, row.split, row.label): row.value for row in rows}
    assert [found["types", split, None] for split in splits] == [2, 3, 1]
    assert found["types_unseen", "dev", None] == 2 / 3 and found["units_unseen", "dev", None] == 3 / 4
    assert found["units_unseen", "train", None] == found["units_unseen", "test", None] == 0
    assert [found["label_units", "dev", label] for label in "XYZ"] == [3, 0, 0]
    assert [found["label_units", "train", label] for label in "XYZ"] == [1, 2, 0]
    text = vocabulary_text([row.as_dict() for row in rows])
    assert text == "train has 2 types; 75.0 % of dev and 0.0 % of test are of others."
    assert vocabulary_text([]) == ""


def test_words_that_are_no_units_are_said() -> None:
    splits = {split: units([0, 1, 1], "a b b") for split in ("train", "dev", "test")}
    target = Labels(("X", "Y"))
    rows = corpus_summary(target, splits, {"train": 5, "dev": 3, "test": 1_000}) + baselines(target, splits, 0)
    notes = corpus_table(target, rows, "words").notes
    assert notes[:2] == ("train: 3 units, of 5 words in 1 sentences.", "test: 3 units, of 1,000 words in 1 sentences.")
    assert not any(note.startswith("dev") for note in notes)
