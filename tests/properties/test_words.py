"""Properties of words: columns with features and spans, forms, concepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neuronprobe.errors import InputError
from neuronprobe.properties import (
    CaseProperty,
    ConceptProperty,
    FeatureProperty,
    FrequencyBand,
    OfWords,
    SpanProperty,
    SuffixProperty,
)
from neuronprobe.types import Sentence


def sentence(words: str, **columns: str) -> Sentence:
    cells = {name: tuple(None if one == "_" else one for one in text.split()) for name, text in columns.items()}
    return Sentence("s1", tuple(words.split()), cells)


def labels(found: OfWords, *sentences: Sentence) -> list[tuple[int, str]]:
    return [(unit.rows[0], str(unit.label)) for unit in found.units(sentences)]


def test_a_feature_is_read_by_its_name_and_by_no_other() -> None:
    cats = sentence("cats sleep here", feats="Number=Plur|Case=Nom Number[psor]=Sing|VerbForm=Fin _")
    assert labels(FeatureProperty("Number"), cats) == [(0, "Plur")]
    assert labels(FeatureProperty("Number", none="none"), cats) == [(0, "Plur"), (1, "none"), (2, "none")]
    assert labels(FeatureProperty("Number[psor]"), cats) == [(1, "Sing")]
    spaced = sentence("a b", misc="SpaceAfter=No|Gloss _")
    assert labels(FeatureProperty("SpaceAfter", column="misc", none="Yes"), spaced) == [(0, "No"), (1, "Yes")]
    with pytest.raises(
        InputError, match=r"must be a feature in feats \(Number, Case, Number\[psor\], VerbForm\), got 'T"
    ):
        labels(FeatureProperty("Tense", none="none"), cats)
    with pytest.raises(InputError, match=r"must be one of misc \(the columns .*, got 'feats'.*property=column"):
        labels(FeatureProperty("Number"), spaced)
    with pytest.raises(InputError, match=r"property\.none must be text, got False"):
        FeatureProperty("Number", none=False)  # type: ignore[arg-type]


SPANS = [
    ("iob1", "iob2", "I-A I-A B-A O I-B I-A", "B-A I-A B-A O B-B B-A"),
    ("iob2", "iobes", "B-A I-A B-A O B-B B-A", "B-A E-A S-A O S-B S-A"),
    ("iobes", "iob2", "B-A I-A E-A S-A O S-B", "B-A I-A I-A B-A O B-B"),
    ("iobes", "io", "B-A I-A L-A U-A O U-B", "I-A I-A I-A I-A O I-B"),
    ("iob", "iob2", "I-A B-A I-B I-B O B-B", "B-A B-A B-B I-B O B-B"),
    ("iob2", "iob2", "B-A _ B-A-x I-A-x O B-B", "B-A _ B-A-x I-A-x O B-B"),
]


@pytest.mark.parametrize(("read", "scheme", "text", "expected"), SPANS)
def test_spans_are_converted(read: str, scheme: str, text: str, expected: str) -> None:
    found = labels(SpanProperty("ner", read, scheme), sentence("a b c d e f", ner=text))
    assert found == [(i, label) for i, label in enumerate(expected.split()) if label != "_"]


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        ("iob2", "O I-A", r"must be iob2, got 'I-A' at word 2, where none began; .*property\.read"),
        ("iob2", "B-B I-A", "'I-A' at word 2, where none began"),
        ("iob1", "O B-A", "'B-A' at word 2, behind no other A"),
        ("iobes", "B-A O", "A without end before word 2"),
        ("iobes", "O I-A", "'I-A' at word 2, where none began"),
        ("iobes", "B-A B-A", "A without end before word 2"),
        ("iob", "O NN", r"got 'NN' at word 2; .*property=column property\.name=ner"),
        ("iob2", "O S-A", "got 'S-A' at word 2"),
    ],
)
def test_malformed_spans_are_named(read: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        labels(SpanProperty("ner", read), sentence("a b", ner=text))


def test_case() -> None:
    words = "the The I EU iPhone 1990s 12 , ÉTÉ été 好 McDonald"
    cases = "lower title title upper mixed lower none none upper lower none mixed"
    assert [label for _, label in labels(CaseProperty(), sentence(words))] == cases.split()


def test_suffixes_are_learnt_from_train() -> None:
    stems = ["walk", "talk", "play", "jump"]
    train = [
        sentence(" ".join([*stems, *(f"{stem}ing" for stem in stems), "plays", "talks", "thing", "Walks", "king"]))
    ]
    found = SuffixProperty(min_stems=3)
    found.learn(train)
    assert found.suffixes == {"s", "ing"}
    assert labels(found, sentence("Playing jumps thing sing jumped googling")) == [
        (0, "ing"), (1, "s"), (2, "-"), (3, "-"), (4, "-"), (5, "-"),
    ]  # fmt: skip
    without = SuffixProperty(min_stems=4, none=None)
    without.learn(train)
    assert labels(without, sentence("jumps playing")) == [(1, "ing")]
    with pytest.raises(InputError, match=r"at least 9 stems in train, got none; lower property\.min_stems"):
        SuffixProperty(min_stems=9).learn(train)


def test_frequency_bands_are_those_of_train() -> None:
    found = FrequencyBand()
    found.learn([sentence("a " * 100 + "b " * 99 + "c " * 9 + "d")])
    assert [label for _, label in labels(found, sentence("a b c d e"))] == ["100+", "10+", "1+", "1+", "0"]


def test_concepts_by_list_file_pattern_and_function(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("he\nShe\n\n")
    he = sentence("He or she met Ada")
    expected = {
        "he": (ConceptProperty("pronoun", words=["he", "she"], ignore_case=True), [0, 2]),
        "file": (ConceptProperty("pronoun", words=str(tmp_path / "words"), ignore_case=True), [0, 2]),
        "case": (ConceptProperty("pronoun", words=str(tmp_path / "words")), []),
        "pattern": (ConceptProperty("pronoun", pattern="^.he$|^He"), [0, 2]),
        "function": (ConceptProperty("pronoun", function=str.istitle), [0, 4]),
    }
    for found, rows in expected.values():
        assert [row for row, label in labels(found, he) if label == "pronoun"] == rows
        assert {label for _, label in labels(found, he)} <= {"pronoun", "not_pronoun"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "must have one of property.words, property.pattern and property.function, got 0"),
        ({"words": ["a"], "pattern": "a"}, "got 2"),
        ({"pattern": "("}, r"property\.pattern must be a regular expression, got '\('"),
        ({"words": "nowhere"}, r"property\.words must be a list or a text file of words, got 'nowhere'"),
        ({"words": []}, r"property\.words must hold at least one word, got none"),
    ],
)
def test_a_concept_that_cannot_be_used_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ConceptProperty(**settings)
