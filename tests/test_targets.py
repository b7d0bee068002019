"""Values as a target against scikit-learn, autograd and themselves by hand; what refuses them, and a whole job."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet
from sklearn.metrics import r2_score

from neuronprobe.activations import Split
from neuronprobe.errors import InputError
from neuronprobe.jobs import open_job
from neuronprobe.probes import ExactFit, Fit, Member, Probe, score
from neuronprobe.properties import WordLength, collect
from neuronprobe.rankings import lca, probeless
from neuronprobe.studies import layers, minimal_set, selectivity
from neuronprobe.studies.intervals import Bootstrap, paired_ends
from neuronprobe.targets import CrossEntropy, Labels, Score, SquaredError, Squares, Values
from neuronprobe.types import Sentence, Unit, Units
from tests.conftest import MakeSplit, labels_named, make_trained
from tests.test_train import Run, run

__all__ = ["run"]
NEURONS = (3, 8, 14)


@pytest.fixture
def numeric(make_split: MakeSplit) -> Split:
    """600 units, 20 neurons of unlike scales, a value that three of them carry, in a unit of its own."""
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(600, 20, generator=generator) * torch.logspace(-1, 1, 20)
    z = (activations - activations.mean(0)) / activations.std(0, correction=0)
    values = 7 + 30 * (z[:, NEURONS] @ torch.tensor([1.0, -0.6, 0.4]) + torch.randn(600, generator=generator) / 2)
    return make_split(activations, values.double(), layers=4)


def activations_of(split: Split) -> torch.Tensor:
    return torch.cat([batch.activations for batch in split.blocks()]).double()


def exact(tolerance: float = 1e-6) -> ExactFit:
    return ExactFit(l2=1e-2, l1=1e-2, tolerance=tolerance)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize(("l1", "l2"), [(1e-3, 1e-3), (1e-1, 1e-2), (2e-1, 1e-3)])
def test_exact_agrees_with_the_elastic_net_of_scikit_learn(
    numeric: Split, l1: float, l2: float, is_weighted: bool
) -> None:
    weights = torch.rand(600, generator=torch.Generator().manual_seed(1)) * 2
    weights = weights / weights.mean() if is_weighted else torch.ones(600)
    (probe,) = exact()([Member(l1, l2, weights=weights)], numeric)
    standard = numeric.standardisation
    z = ((activations_of(numeric) - standard.mean) / standard.deviation).numpy()
    net = ElasticNet(alpha=l1 + 2 * l2, l1_ratio=l1 / (l1 + 2 * l2), tol=1e-12, max_iter=100_000)
    net.fit(z, numeric.units.labels.numpy(), sample_weight=weights.double().numpy())
    assert np.abs(probe.trained_weights[0].numpy() - net.coef_).max() < 1e-4
    assert probe.optimality is not None and probe.optimality.converged
    assert ((probe.weights[0] == 0).numpy() == (net.coef_ == 0)).all()


def test_all_weights_are_zero_above_l1_max_alone(numeric: Split) -> None:
    most = exact().l1_max(Member(), numeric)
    above, below = exact()([Member(most * 1.001, 1e-3), Member(most * 0.98, 1e-3)], numeric)
    assert not above.weights.any() and below.weights.any()
    assert torch.allclose(above.bias, torch.zeros(1), atol=1e-6)  # of standardised values: the mean


def test_all_solvers_come_to_one_r2_and_say_how_far_they_are(numeric: Split) -> None:
    (best,) = exact()([Member(1e-2, 1e-3)], numeric)
    found = []
    for solver in ("adam", "proximal"):
        fit = Fit(1e-2, 1e-3, epochs=20, batch_size=32, lr=1e-2, solver=solver, standardise="zscore")
        (probe,) = fit([Member(1e-2, 1e-3)], numeric)
        assert probe.optimality is not None and 0 < probe.optimality.residual < 0.2
        assert probe.optimality.objective >= best.optimality.objective - 1e-6  # type: ignore[union-attr]
        found.append(probe)
    values = score([best, *found], numeric).values("r2")
    assert values[0] > 0.7 and (values - values[0]).abs().max() < 0.01
    assert (found[1].weights == 0).any()  # proximal has exact zeros


def test_r2_is_that_of_scikit_learn_and_of_the_splits_own_mean(numeric: Split, make_split: MakeSplit) -> None:
    (probe,) = exact()([Member(1e-2, 1e-3)], numeric)
    generator = torch.Generator().manual_seed(2)
    sentences = torch.randint(40, (200,), generator=generator).sort().values
    other = make_split(torch.randn(200, 20, generator=generator), torch.rand(200, generator=generator), sentences)
    for split in (numeric, other):
        outputs = activations_of(split) @ probe.weights[0].double() + probe.bias.double()
        found = score([probe, probe.keep(torch.tensor([3]))], split)
        assert float(found.values("r2")[0]) == pytest.approx(r2_score(split.units.labels, outputs), abs=1e-5)
        parts = found.score("r2")
        assert torch.equal(parts.value, found.values("r2")) and (parts.numerator <= parts.denominator).all()
        own = split.units.sentences == 7
        squares = (split.units.labels - split.units.labels.mean()).square()[own].sum()
        assert float(parts.denominator[7]) == pytest.approx(float(squares))


def test_r2_in_batches_is_that_of_the_whole(numeric: Split) -> None:
    metric = numeric.target.bank_score(2, numeric.units.n_sentences)
    outputs = torch.randn(600, 2, 1, generator=torch.Generator().manual_seed(3))
    for part in torch.arange(600).split(170):
        metric.update(outputs[part], numeric.units.labels[part], numeric.units.sentences[part])
    by_hand = [r2_score(numeric.units.labels, outputs[:, i, 0]) for i in range(2)]
    assert metric.compute().tolist() == pytest.approx(by_hand)
    assert metric.scored(numeric.units).values("r2").tolist() == pytest.approx(by_hand)


def drawn_squares(generator: torch.Generator, n: int = 120) -> Squares:
    """Of n sentences of 8 units with an effect of their own: a probe that explains .8 of the variance."""
    said = torch.randn(n, 8, generator=generator, dtype=torch.float64)
    said = said * 0.8 + 0.6 * torch.randn(n, 1, generator=generator, dtype=torch.float64)
    missed = 0.5 * torch.randn(n, 8, generator=generator, dtype=torch.float64)
    values = said + missed
    return Squares(missed.square().sum(1)[None], (values - values.mean()).square().sum(1))


def test_intervals_of_r2_cover_the_truth_at_their_rate() -> None:
    generator, hits, n_trials = torch.Generator().manual_seed(0), 0, 300
    for trial in range(n_trials):
        parts = drawn_squares(generator).score("r2")
        low, high = Bootstrap(parts.denominator, trial % 2).ends(parts.numerator)[0].tolist()
        hits += low <= 0.8 <= high
    assert 0.92 <= hits / n_trials <= 0.98


def test_the_mean_that_is_held_in_resamples_matters_less_than_the_interval_tells() -> None:
    generator = torch.Generator().manual_seed(4)
    values = torch.randn(170, 15, generator=generator, dtype=torch.float64)
    values += 0.5 * torch.randn(170, 1, generator=generator, dtype=torch.float64)
    missed = 0.5 * torch.randn(170, 15, generator=generator, dtype=torch.float64)
    parts = Squares(missed.square().sum(1)[None], (values - values.mean()).square().sum(1)).score("r2")
    low, high = Bootstrap(parts.denominator, 0).ends(parts.numerator)[0].tolist()
    times = torch.randint(170, (1000, 170), generator=torch.Generator().manual_seed(5))
    own = [1 - missed[t].square().sum() / (values[t] - values[t].mean()).square().sum() for t in times]
    ends = torch.quantile(torch.stack(own), torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    assert max(abs(low - ends[0]), abs(high - ends[1])) < 0.1 * (high - low)


def test_paired_ends_of_unlike_denominators_are_those_of_the_ratios_in_each_resample() -> None:
    generator = torch.Generator().manual_seed(6)
    first, *others = (drawn_squares(generator).score("r2") for _ in range(3))
    found = paired_ends(first, others, 0, seed=1)
    values = [Bootstrap(one.denominator, 1).values(one.numerator)[:, 0] for one in (first, *others)]
    gain = values[0] - (values[1] + values[2]) / 2
    assert found == pytest.approx(torch.quantile(gain, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist())
    alike = [Score("r2", one.numerator, first.denominator) for one in others]
    both = Bootstrap(first.denominator, 1).values(torch.cat([one.numerator for one in (first, *alike)]))
    gain = both[:, 0] - both[:, 1:].mean(1)
    assert paired_ends(first, alike, 0, 1) == pytest.approx(
        torch.quantile(gain, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    )


@pytest.mark.parametrize(("loss", "n"), [(CrossEntropy(), 4), (SquaredError(), 1)])
def test_residual_and_curvature_are_the_derivatives_of_the_loss(loss: CrossEntropy | SquaredError, n: int) -> None:
    generator = torch.Generator().manual_seed(7)
    outputs, direction = torch.randn(2, 6, 3, n, generator=generator, dtype=torch.float64)
    labels = torch.randint(n, (6, 3), generator=generator) if n > 1 else torch.randn(6, 3, generator=generator)

    def total(at: torch.Tensor) -> torch.Tensor:
        return loss(at, labels).sum() * 6  # type: ignore[arg-type]

    gradient = torch.autograd.functional.jacobian(total, outputs)
    assert torch.allclose(loss.residual(outputs, labels), gradient)
    hessian = torch.autograd.functional.hessian(lambda one: loss(one[:, None], labels[:, :1]).sum() * 6, outputs[:, 0])
    along = torch.einsum("ucvd,vd->uc", hessian, direction[:, 0])
    curvature = loss.curvature(outputs[:, 0].T)
    assert torch.allclose(curvature.times(direction[:, 0].T), along.T)
    assert torch.allclose(curvature.diagonal, torch.einsum("ucuc->cu", hessian))
    assert torch.allclose(loss.curvatures(outputs)[:, 0], curvature.diagonal.sum(0))
    squared = (direction[:, 0].T * curvature.times(direction[:, 0].T)).sum(0)
    assert (squared <= curvature.coupling * (curvature.diagonal * direction[:, 0].T.square()).sum(0) + 1e-12).all()


def test_a_control_task_of_values_draws_trains_values_by_type() -> None:
    values = torch.tensor([0.0, 0.0, 1.0, 5.0], dtype=torch.float64).repeat(500)
    kinds = tuple(f"w{i}" for i in range(2000))
    train = Units(torch.arange(2000)[:, None], values, torch.arange(2000), kinds, 2000)
    target = Values.of(values, "value")
    found = target.control(train, train, seed=3).tolist()
    shares = {value: n / 2000 for value, n in Counter(found).items()}
    assert shares == pytest.approx({0.0: 0.5, 1.0: 0.25, 5.0: 0.25}, abs=0.03)
    dev = Units(torch.zeros(3, 1, dtype=torch.long), values[:3], torch.zeros(3, dtype=torch.long), kinds[:3], 1)
    assert target.control(dev, train, seed=3).tolist() == found[:3]
    assert target.control(dev, train, seed=4).tolist() != found[:3] or found[:3] == [0.0] * 3


def test_baselines_of_values_are_counted_by_hand() -> None:
    def units(types: str, values: list[float]) -> Units:
        n, labels = len(values), torch.tensor(values, dtype=torch.float64)
        return Units(torch.arange(n)[:, None], labels, torch.zeros(n, dtype=torch.long), tuple(types), 1)

    train, test = units("aabc", [0.0, 2.0, 4.0, 6.0]), units("abz", [1.0, 1.0, 1.0])
    found = Values("value", 0.0, 1.0).baselines(train, test)
    assert {name: predicted.tolist() for name, predicted in found.items()} == {
        "mean": [3.0, 3.0, 3.0], "word_mean": [1.0, 4.0, 3.0],
    }  # fmt: skip


def test_the_neurons_that_carry_a_value_rank_first_and_suffice(numeric: Split) -> None:
    fit = ExactFit(l2=1e-3, l1=1e-1)
    (probe,) = fit([Member(1e-1, 1e-3)], numeric)
    trained = make_trained(probe, numeric, fit=fit)
    assert trained.metric == "r2" and trained.labels == ("value",)
    assert set(trained.ranking.order[:3].tolist()) == set(NEURONS)
    assert lca(trained.evidence(probe)).by_label.shape == (1, 20)
    found = minimal_set(trained, [0.02], draws=2)
    sizes = [row for row in found.rows if row.study == "minimal_set" and row.metric == "neurons"]
    assert sizes[0].value == 3
    metrics = {row.metric.removeprefix("mean_") for row in found.rows}
    assert metrics == {"searched_r2", "neurons", "r2", "r2_difference", "r2_lost"}
    above = selectivity(trained, found.handed, draws=3)
    gains = [row for row in above.rows if row.metric == "selectivity" and row.split == "test"]
    assert all(row.value is not None and row.value > 0.5 for row in gains)  # each type is there once
    assert all(row.low is not None and row.low <= row.value <= row.high for row in gains)  # type: ignore[operator]
    alone = {row.layer: row.value for row in layers(trained).rows if row.set == "one_layer" and row.split == "test"}
    assert max(alone, key=lambda layer: alone[layer] or 0.0) == 0  # neuron 3


def test_word_length_counts_characters_of_every_word() -> None:
    sentences = [Sentence("a", ("The", "café", "."), {}), Sentence("b", ("I",), {})]
    found = collect(WordLength().units(sentences))
    assert found.labels.tolist() == [3, 4, 1, 1] and found.names == () and found.rows.flatten().tolist() == [0, 1, 2, 3]
    target = Values.of(found.labels, "word_length")
    encoded = target.encode(found.labels, ())
    assert float(encoded.mean()) == pytest.approx(0) and float(encoded.square().mean()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["NOUN", 1.0], "must be all names or all numbers, got 1 names and 1 numbers"),
        ([1.0, float("nan")], "must be a number, got nan"),
    ],
)
def test_units_whose_labels_are_neither_names_nor_numbers_are_refused(labels: list, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=message):
        collect(Unit((i,), label, "w", 0) for i, label in enumerate(labels))


def test_what_makes_no_sense_of_values_is_refused(numeric: Split) -> None:
    with pytest.raises(InputError, match="at least 2 values in train, got 4 alone"):
        Values.of(torch.full((5,), 4.0, dtype=torch.float64), "value")
    with pytest.raises(InputError, match="metric of value, which has values, must be one of auto, r2, got 'macro_f1'"):
        numeric.target.metric("macro_f1")
    with pytest.raises(InputError, match="labels must be one of auto, accuracy, macro_f1, got 'r2'"):
        labels_named(3).metric("r2")
    assert numeric.target.metric("auto") == "r2" and Labels(("a", "b")).metric("auto") == "accuracy"
    probe = Probe(torch.ones(1, 20), torch.zeros(1))
    with pytest.raises(InputError, match="ranking probeless must have a property with labels, got value"):
        probeless(make_trained(probe, numeric).evidence(probe))
    with pytest.raises(InputError, match=r"class_weights=balanced must have a property with labels"):
        Fit(0.0, 0.0, class_weights="balanced").bank([Member()], numeric)


def test_a_job_of_word_length_speaks_of_r2_alone(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {
        "property": "word_length", "probe__lr": 1e-2, "callbacks": "full", "callbacks__ablation__tested_draws": 2,
        "callbacks__minimal_set__search": "bisection",
        "callbacks__minimal_set__tolerances": "[0.05]", "callbacks__stability__resamples": 2,
        "callbacks__stability__seeds": 1, "callbacks__minimal_set__draws": 1, "logger": "none",
    }  # fmt: skip
    assert run(**settings) == 0
    said = " ".join(capsys.readouterr().out.split())
    report = (tmp_path / "job" / "report.md").read_text(encoding="utf-8")
    assert "R² on test" in said and "mean of train" in said and "points of R²" in said
    for text in (said, report.replace("accuracy_by_neurons_kept", "").replace("accuracy against", "")):
        assert "accuracy" not in text and "frequent label" not in text
    job = open_job(tmp_path / "job")
    rows = job.rows
    assert job.config["metric"] == "r2" and not any("accuracy" in r["metric"] or "f1" in r["metric"] for r in rows)
    oracle = next(r for r in rows if r["study"] == "oracle" and r["split"] == "test")
    parts = job.correct
    assert float(parts["oracle"].sum() / parts["squares"].sum()) == pytest.approx(oracle["value"])
    assert 0.1 < oracle["value"] < 1 and oracle["low"] < oracle["value"] < oracle["high"]
    mean = next(r for r in rows if r["study"] == "baseline" and r["split"] == "test" and r["set"] == "mean")
    assert mean["value"] == pytest.approx(0, abs=0.05) and mean["value"] <= 0
    assert {r["study"] for r in rows} >= {"ablation", "retraining", "minimal_set", "selectivity", "layers", "stability"}
    assert job.labels == ["word_length"] and job.probe.weights.shape == (1, 96)
    assert isinstance(job.target, Values) and 3 < job.target.mean < 5
    by_label = (tmp_path / "job" / "ranking_by_label.csv").read_text().splitlines()
    assert by_label[1].startswith("word_length,1,")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"property": "word_length", "metric": "accuracy"}, "must be one of auto, r2, got 'accuracy'"),
        ({"property": "upos", "metric": "r2"}, "must be one of auto, accuracy, macro_f1, got 'r2'"),
        ({"property": "word_length", "probe__class_weights": "balanced"}, "class_weights=balanced must have"),
        (
            {"property": "word_length", "ranking": "[probeless]"},
            "probeless must have a property with labels",
        ),
    ],
)
def test_a_job_that_asks_for_what_its_target_has_not_ends_in_one_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: dict[str, str], message: str
) -> None:
    assert run(**words, logger="none") == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and message in errors[0]
    assert json.loads((tmp_path / "job" / "results.json").read_text())["status"] == "failed"
