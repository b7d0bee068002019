"""Macro-F1 against scikit-learn, its parts against finite differences, its interval against its stated rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from neuronprobe.activations import Split
from neuronprobe.probes import Probe, score
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.targets import BankCounts, Counts
from neuronprobe.types import Units
from tests.conftest import MakeSplit

N_LABELS = 6
SHARES = torch.tensor([0.8, 0.07, 0.05, 0.04, 0.02, 0.02], dtype=torch.float64)
RECALL = torch.tensor([0.95, 0.7, 0.6, 0.5, 0.8, 0.3], dtype=torch.float64)
N_SENTENCES = 150


def counted(predicted: torch.Tensor, labels: torch.Tensor, sentences: torch.Tensor) -> Counts:
    """Counts of probes with given predictions [probe, unit]."""
    metric = BankCounts(len(predicted), N_LABELS, int(sentences.max()) + 1)
    metric.add(predicted.T, labels, sentences)
    n_unknown = len(labels[labels < 0].unique())
    units = Units(torch.arange(len(labels))[:, None], labels, sentences, ("",) * len(labels), int(sentences.max()) + 1)
    return metric.counts(n_unknown=n_unknown, predicted=predicted, all_units=units)


def by_sklearn(predicted: torch.Tensor, labels: torch.Tensor, weights: np.ndarray | None = None) -> float:
    """Over the labels that the split has."""
    gold = np.unique(labels.numpy())
    own = {"labels": gold, "average": "macro", "zero_division": 0, "sample_weight": weights}
    return float(f1_score(labels.numpy(), predicted.numpy(), **own))


def skewed(n_units: int, seed: int, unknown: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels of which 80 % are the first, and what a probe predicts: wrong ones are mostly called the first, too."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.multinomial(SHARES, n_units, replacement=True, generator=generator)
    guess = torch.where(torch.rand(n_units, generator=generator) < 0.7, 0, labels.roll(1))
    predicted = torch.where(torch.rand(n_units, generator=generator) < RECALL[labels], labels, guess)
    for i in range(unknown):
        labels[i :: 40 + i] = -1 - i
    return labels, predicted


def split_with(make_split: MakeSplit, labels: torch.Tensor) -> Split:
    generator = torch.Generator().manual_seed(3)
    return make_split(torch.randn(len(labels), 8, generator=generator), labels, n_labels=N_LABELS)


@pytest.mark.parametrize("unknown", [0, 1, 3])
@pytest.mark.parametrize("absent", [False, True])
def test_macro_f1_is_scikit_learns_over_the_labels_of_the_split(
    unknown: int, absent: bool, make_split: MakeSplit
) -> None:
    labels, _ = skewed(600, 4, unknown)
    labels[labels == 4] = 0 if absent else 4  # a label of train that the split lacks, which probes predict
    split = split_with(make_split, labels)
    activations = split.batch(torch.arange(600)).activations
    generator = torch.Generator().manual_seed(5)
    probes = [Probe(torch.randn(N_LABELS, 8, generator=generator), torch.zeros(N_LABELS)) for _ in range(3)]
    counts = score(probes, split, predictions=True)
    assert counts.n_unknown == unknown
    for i, probe in enumerate(probes):
        predicted = (activations @ probe.weights.T + probe.bias).argmax(1)
        assert torch.equal(counts.predicted[i].long(), predicted)
        assert (predicted == 4).any()
        assert float(counts.macro_f1[i]) == pytest.approx(by_sklearn(predicted, labels), abs=1e-12)
    assert torch.allclose(counts.score("macro_f1").value, counts.macro_f1, atol=1e-12)
    assert torch.allclose(counts.score("accuracy").value, counts.accuracy, atol=1e-12)


@pytest.mark.parametrize("unknown", [0, 2])
def test_each_sentences_part_is_the_slope_of_macro_f1_in_its_weight(unknown: int) -> None:
    labels, predicted = skewed(240, 6, unknown)
    sentences = torch.arange(240) // 8
    counts = counted(predicted[None], labels, sentences)
    found = counts.score("macro_f1")
    assert torch.equal(found.denominator, torch.ones(30))
    parts = (found.numerator[0] - counts.macro_f1[0]) / 30
    assert float(parts.sum()) == pytest.approx(0, abs=1e-12)
    for sentence in range(30):
        ends = []
        for step in (1e-4, -1e-4):
            weights = np.where(sentences.numpy() == sentence, 1 + step, 1.0)
            ends.append(by_sklearn(predicted, labels, weights))
        assert float(parts[sentence]) == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-7)


def test_the_interval_of_accuracy_is_the_percentile_bootstrap_of_a_ratio() -> None:
    labels, predicted = skewed(900, 7)
    sentences = torch.arange(900) ** 2 * 150 // 900**2  # of unlike length
    counts = counted(predicted[None], labels, sentences)
    found = counts.score("accuracy")
    low, high = Bootstrap(found.denominator, 0, resamples=4000).ends(found.numerator)[0].tolist()
    correct, units = counts.correct[0].numpy(), counts.units.numpy()
    drawn = np.random.default_rng(1).integers(len(units), size=(20_000, len(units)))
    by_hand = np.quantile(correct[drawn].sum(1) / units[drawn].sum(1), [0.025, 0.975])
    assert (low, high) == pytest.approx(tuple(by_hand), abs=0.1 * (high - low))


def test_macro_f1_needs_what_was_predicted() -> None:
    labels, predicted = skewed(60, 8)
    counts = counted(predicted[None], labels, torch.arange(60) // 6)
    bare = Counts(counts.correct, counts.units, counts.true_positives, counts.false_positives, counts.false_negatives)
    assert torch.equal(bare.macro_f1, counts.macro_f1)
    with pytest.raises(ValueError, match="must be scored with what was predicted"):
        bare.score("macro_f1")


def truths() -> dict[str, float]:
    """Over 600,000 units."""
    labels, predicted = skewed(600_000, 99)
    return {"macro_f1": by_sklearn(predicted, labels), "accuracy": float((labels == predicted).double().mean())}


@pytest.mark.slow
def test_intervals_of_macro_f1_cover_the_truth_about_as_often_as_those_of_accuracy() -> None:
    torch.set_num_threads(1)
    truth, n_trials = truths(), 300
    hits = dict.fromkeys(truth, 0)
    for trial in range(n_trials):
        generator = torch.Generator().manual_seed(10_000 + trial)
        sentences = torch.arange(N_SENTENCES).repeat_interleave(
            torch.randint(4, 17, (N_SENTENCES,), generator=generator)
        )
        labels, predicted = skewed(len(sentences), trial)
        counts = counted(predicted[None], labels, sentences)
        for name, value in truth.items():
            found = counts.score(name)
            low, high = Bootstrap(found.denominator, trial).ends(found.numerator)[0].tolist()
            hits[name] += low <= value <= high
    assert 0.90 <= hits["macro_f1"] / n_trials < 1
    assert hits["accuracy"] / n_trials >= 0.92
    assert abs(hits["macro_f1"] - hits["accuracy"]) <= 0.05 * n_trials
