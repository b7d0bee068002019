"""Span F1 against seqeval, which counts as the CoNLL shared tasks do."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score

from neuronprobe.corpora import WordsCorpus
from neuronprobe.models import FrozenTransformer
from neuronprobe.probes import Fit
from neuronprobe.properties import SpanProperty
from neuronprobe.studies import baselines
from neuronprobe.studies.oracle import oracle
from neuronprobe.targets import Counts, Labels, restored
from neuronprobe.types import Units
from tests.conftest import make_trained
from tests.sources import module

NAMES = ("B-A", "B-B", "E-A", "I-A", "I-B", "O", "S-B")
UNKNOWN_NAMES = ("B-C", "I-C", "S-A")
SENTENCE = st.lists(
    st.tuples(st.sampled_from([*NAMES, *UNKNOWN_NAMES]), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    min_size=1, max_size=9,
)  # fmt: skip


def units_of(sentences: list[list[str]], gap: int = 0) -> Units:
    labels = [label for sentence in sentences for label in sentence]
    rows = torch.arange(len(labels))[:, None] * (1 + gap)
    where = [i for i, sentence in enumerate(sentences) for _ in sentence]
    target = Labels(NAMES, are_spans=True)
    names = tuple(dict.fromkeys(labels))
    codes = target.encode(torch.tensor([names.index(label) for label in labels]), names)
    unknown = target.unknown(names)
    return Units(rows, codes, torch.tensor(where), tuple(labels), len(sentences), unknown)


def scored(units: Units, *predicted: list[list[str]]) -> Counts:
    target = Labels(NAMES, are_spans=True)
    found = target.bank_score(len(predicted), units.n_sentences, keep=True)
    flat = [[NAMES.index(label) for sentence in own for label in sentence] for own in predicted]
    found.add(torch.tensor(flat).T, units.labels, units.sentences)
    return found.scored(units)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(sentences=st.lists(SENTENCE, min_size=1, max_size=5))
def test_span_f1_is_that_of_seqeval(sentences: list[list[tuple[str, str, str]]]) -> None:
    there, *predicted = ([[word[i] for word in sentence] for sentence in sentences] for i in range(3))
    counts = scored(units_of(there), *predicted)
    assert counts.values("span_f1").tolist() == pytest.approx([f1_score(there, own) for own in predicted])
    found, ours, theirs = counts.spans[0].sum(1).tolist()
    assert found / max(1, ours) == pytest.approx(precision_score(there, predicted[0]))
    assert found / max(1, theirs) == pytest.approx(recall_score(there, predicted[0]))
    score = counts.score("span_f1")
    assert score.value.tolist() == pytest.approx(counts.values("span_f1").tolist())


def test_intervals_are_of_the_derivative_by_each_sentence() -> None:
    draw = np.random.default_rng(0)
    there = [list(draw.choice(NAMES, 6)) for _ in range(30)]
    predicted = [[w if draw.random() < 0.7 else str(draw.choice(NAMES)) for w in sentence] for sentence in there]
    counts = scored(units_of(there), predicted)
    score = counts.score("span_f1")
    parts = (score.numerator[0] - counts.values("span_f1")[0]) / len(there)
    found, ours, theirs = (own.double() for own in counts.spans[0])
    for sentence in (0, 7, 29):
        weights = torch.ones(30, dtype=torch.float64)
        weights[sentence] += 1e-6
        moved = 2 * (weights @ found) / (weights @ (ours + theirs))
        assert float(parts[sentence]) == pytest.approx(float(moved - counts.values("span_f1")[0]) / 1e-6, abs=1e-6)


def test_a_word_that_is_no_unit_is_outside() -> None:
    there = [["B-A", "I-A"]]
    assert scored(units_of(there), there).spans[0].sum(1).tolist() == [1, 1, 1]
    assert scored(units_of(there, gap=1), there).spans[0].sum(1).tolist() == [2, 2, 2]


def test_labels_remember_that_they_mark_spans() -> None:
    assert Labels(NAMES).more_metrics == () and Labels(NAMES, True).more_metrics == ("span_f1",)
    for own in (Labels(NAMES), Labels(NAMES, are_spans=True)):
        assert restored(own.saved()) == own
    units, bare = units_of([["B-A"]]), Labels(NAMES, are_spans=True).bank_score(1, 1)
    bare.add(torch.tensor([[0]]), units.labels, units.sentences)
    with pytest.raises(ValueError, match="span F1 must be scored with what was predicted"):
        bare.scored(units).values("span_f1")


def test_the_oracle_and_the_baselines_have_span_f1_of_their_property(tiny_bert: Path, tmp_path: Path) -> None:
    text = [(["the", "cat", "sat"], ["B-A", "I-A", "O"]), (["of", "dogs", "sat"], ["O", "B-A", "O"])] * 8
    corpus = WordsCorpus(text, text, [*text, (["a", "dog", "the"], ["B-A", "I-A", "B-C"])])
    data = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path, SpanProperty("label"))
    splits = {split: data.split(split) for split in ("dev", "test")}
    fit = Fit(0.0, 0.0, epochs=3, batch_size=8)
    probe = fit(fit.grid(), data.split("train"))[0]
    result = oracle(make_trained(probe, data.split("train"), splits, fit))
    row = next(row for row in result.rows if row.metric == "span_f1" and row.split == "test")
    arrays = np.load(BytesIO(result.files["predicted.npz"]))
    names = [*arrays["names"], "B-C"]  # -1 is what train lacks
    said = [
        [[names[i] for i in arrays[what][arrays["sentence"] == s]] for s in range(17)]
        for what in ("label", "predicted")
    ]
    assert said[0][16] == ["B-A", "I-A", "B-C"]
    assert row.value == pytest.approx(f1_score(*said)) and row.low <= row.value <= row.high
    rows = baselines(data.target, data.units, 0)
    found = {(row.set, row.split): row.value for row in rows if row.metric == "span_f1"}
    assert found["word_majority", "dev"] == 1 and found["majority", "dev"] == 0
    table = next(table for table in result.tables if table.heading.startswith("Oracle"))
    assert "span F1" in [line[0] for line in table.body]
