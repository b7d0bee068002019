"""The bank against scikit-learn, against a probe trained alone, and against planted answers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler

from neuronprobe.activations import BatchStream, Split
from neuronprobe.errors import InputError
from neuronprobe.probes import Fit, Member, Probe, load_probe, save_probe, score
from neuronprobe.probes.penalty import elastic_net
from neuronprobe.rankings.lca import by_mass
from tests.conftest import MakeSplit


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def fit(l1: float = 1e-3, l2: float = 1e-4, **settings: object) -> Fit:
    return Fit(**{"l1": l1, "l2": l2, "epochs": 6, "batch_size": 64, "lr": 0.01, **settings})  # type: ignore[arg-type]


def test_a_ridge_probe_equals_scikit_learns_logistic_regression(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(300, 8, generator=generator)
    labels = (activations @ torch.randn(8, 3, generator=generator) + torch.randn(300, 3, generator=generator)).argmax(1)
    train = make_split(activations, labels)
    solved = fit(epochs=300, batch_size=300, lr=0.05, precision="64-true")([Member(0.0, 1e-2)], train)[0]
    witness = LogisticRegression(C=1 / (300 * 2 * 1e-2), tol=1e-10, max_iter=10_000)
    witness.fit(activations.double().numpy(), labels.numpy())
    np.testing.assert_allclose(solved.weights.numpy(), witness.coef_, atol=1e-3)
    centred = solved.bias - solved.bias.mean()
    np.testing.assert_allclose(centred.numpy(), witness.intercept_ - witness.intercept_.mean(), atol=1e-3)


def test_the_penalty_and_its_gradient_are_the_formula() -> None:
    weights = torch.randn(3, 4, 5, dtype=torch.float64, requires_grad=True)
    l1, l2 = torch.tensor([0.0, 0.1, 1.0]).double(), torch.tensor([0.5, 0.0, 2.0]).double()
    elastic_net(weights, l1, l2).backward()
    plain = weights.detach().clone().requires_grad_()
    expected = (plain.abs().sum((1, 2)) * l1 + plain.square().sum((1, 2)) * l2).sum()
    expected.backward()
    assert elastic_net(weights, l1, l2).item() == pytest.approx(expected.item())
    torch.testing.assert_close(weights.grad, plain.grad)


def test_a_member_of_a_bank_equals_the_same_probe_alone(planted: Split) -> None:
    some, others = torch.tensor([7, 3, 18, 30]), torch.tensor([1, 25, 31, 0])
    members = [
        Member(0.0, 0.0, seed=1), Member(1e-2, 1e-3, seed=2), Member(1e-3, 0.0, 3, some), Member(1e-3, 0.0, 4, others),
        Member(0.0, 1e-2, 5, torch.arange(12)),
    ]  # fmt: skip
    train = fit(precision="64-true")
    for member, together in zip(members, train(members, planted), strict=True):
        alone = train([member], planted)[0]
        torch.testing.assert_close(together.weights, alone.weights, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(together.bias, alone.bias, rtol=1e-8, atol=1e-10)
        assert (together.l1, together.l2, together.seed) == (member.l1, member.l2, member.seed)


def test_a_bank_too_large_for_memory_is_trained_in_parts(planted: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    members = [Member(1e-3, 0.0, seed) for seed in range(3)]
    whole = fit(precision="64-true")(members, planted)
    monkeypatch.setattr("neuronprobe.probes.fit.MOST_WEIGHTS", 40 * 4)
    for one, other in zip(whole, fit(precision="64-true")(members, planted), strict=True):
        torch.testing.assert_close(one.weights, other.weights, rtol=1e-8, atol=1e-10)


def test_planted_neurons_are_ranked_first(planted: Split) -> None:
    probe = fit(epochs=10)([Member(1e-3, 1e-4)], planted)[0]
    ranking = by_mass(probe.weights)
    assert set(ranking.order[:4].tolist()) == {7, 18, 25, 31}
    assert set(ranking.by_label.argmin(1).tolist()) <= {7, 18, 25, 31}


def test_keeping_all_neurons_is_the_oracle_and_keeping_none_predicts_one_label(planted: Split) -> None:
    probe = fit()([Member()], planted)[0]
    everything, nothing = probe.keep(torch.arange(40)), probe.keep(torch.tensor([], dtype=torch.long))
    found = score([probe, everything, nothing], planted)
    assert found.accuracy[0] == found.accuracy[1] > 0.8
    constant = (planted.units.labels == int(probe.bias.argmax())).double().mean()
    assert found.accuracy[2] == pytest.approx(float(constant))


def test_keep_is_zeroing_the_other_activations(planted: Split, make_split: MakeSplit) -> None:
    probe = fit()([Member()], planted)[0]
    kept = torch.tensor([31, 2, 7])
    activations = planted.batch(torch.arange(len(planted))).activations
    zeroed = torch.zeros_like(activations)
    zeroed[:, kept] = activations[:, kept]
    by_hand = make_split(zeroed, planted.units.labels)
    assert score([probe.keep(kept)], planted).accuracy == score([probe], by_hand).accuracy


def test_keep_with_means_is_setting_the_other_activations_to_them(planted: Split, make_split: MakeSplit) -> None:
    probe = fit()([Member()], planted)[0]
    kept, means = torch.tensor([31, 2, 7]), torch.linspace(-2, 2, 40)
    activations = planted.batch(torch.arange(len(planted))).activations
    filled = means.expand_as(activations).clone()
    filled[:, kept] = activations[:, kept]
    by_hand = make_split(filled, planted.units.labels)
    assert score([probe.keep(kept, means)], planted).accuracy == pytest.approx(float(score([probe], by_hand).accuracy))


def test_scores_equal_scikit_learns(planted: Split) -> None:
    probes = fit(epochs=1)([Member(seed=1), Member(l1=0.1, seed=2)], planted)
    found = score(probes, planted)
    activations = planted.batch(torch.arange(len(planted))).activations
    for i, probe in enumerate(probes):
        predicted = (activations @ probe.weights.T + probe.bias).argmax(1)
        labels = planted.units.labels
        assert float(found.accuracy[i]) == pytest.approx(accuracy_score(labels, predicted))
        assert float(found.macro_f1[i]) == pytest.approx(f1_score(labels, predicted, average="macro"))


def test_a_label_that_train_lacks_is_scored_as_wrong(make_split: MakeSplit) -> None:
    split = make_split(torch.zeros(4, 2), torch.tensor([0, 0, 1, -1]), n_labels=2)
    probe = Probe(torch.zeros(2, 2), torch.tensor([1.0, 0.0]))
    found = score([probe], split)
    assert float(found.accuracy) == 0.5
    assert found.false_positives.tolist() == [[2, 0]]
    assert found.false_negatives.tolist() == [[0, 1]]


def test_counts_per_sentence_add_up(planted: Split) -> None:
    found = score(fit(epochs=1)([Member()], planted), planted)
    assert found.units.sum() == len(planted)
    assert (found.correct <= found.units).all()
    assert found.correct.sum() == found.true_positives.sum()


def test_a_probe_survives_saving(tmp_path: Path, planted: Split) -> None:
    probe = fit(epochs=1)([Member(1e-3, 1e-2, 4, torch.tensor([3, 5]))], planted)[0]
    save_probe(tmp_path / "probe.safetensors", probe, planted.target, planted.neurons.as_list())
    loaded, target, segments = load_probe(tmp_path / "probe.safetensors")
    assert torch.equal(loaded.weights, probe.weights) and torch.equal(loaded.bias, probe.bias)
    assert loaded.neurons.tolist() == [3, 5] and (loaded.l1, loaded.l2, loaded.seed) == (1e-3, 1e-2, 4)
    assert target == planted.target and segments == planted.neurons.as_list()


def test_a_file_that_is_no_probe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "probe.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="must be a saved probe"):
        load_probe(tmp_path / "probe.safetensors")


def test_bf16_mixed_precision_learns_the_same(planted: Split) -> None:
    members = [Member(1e-3), Member(1e-3, neurons=torch.arange(30))]
    full, mixed = (fit(precision=p)(members, planted) for p in ("32-true", "bf16-mixed"))
    assert mixed[0].weights.dtype == torch.float32
    torch.testing.assert_close(score(mixed, planted).accuracy, score(full, planted).accuracy, rtol=0, atol=0.01)


def test_every_epoch_has_its_own_order(planted: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    orders, original = [], BatchStream._order

    def spy(stream: BatchStream) -> torch.Tensor:
        orders.append(original(stream))
        return orders[-1]

    monkeypatch.setattr(BatchStream, "_order", spy)
    fit(epochs=3)([Member()], planted)
    assert len(orders) == 3
    assert not torch.equal(orders[0], orders[1]) and not torch.equal(orders[1], orders[2])


def test_steps_are_counted_over_all_epochs(planted: Split) -> None:
    assert fit(epochs=6, batch_size=64).steps(planted) == 6 * 24


@pytest.mark.parametrize(("n_units", "epochs", "size"), [
    (512 * 40, 10, 512), (512 * 39 + 1, 10, 512), (512 * 39, 10, 256), (1500, 10, 32), (1500, 3, 8), (400, 1, 1),
    (399, 1, 1), (1, 1, 1), (10**7, 1, 512),
])  # fmt: skip
def test_an_automatic_batch_is_the_largest_power_of_two_with_enough_steps(n_units: int, epochs: int, size: int) -> None:
    train = type("Train", (), {"__len__": lambda _: n_units})()
    settings = fit(batch_size="auto", epochs=epochs)
    found = settings.related(train)  # type: ignore[arg-type]
    assert found.batch_size == size
    sizes = [2**power for power in range(10) if epochs * math.ceil(n_units / 2**power) >= 400]
    assert size == max(sizes, default=1)


def test_relating_a_fit_to_train_gives_another_and_the_corpus_decides(planted: Split) -> None:
    settings = fit(batch_size="auto", epochs=10)
    found, recommended = settings.related(planted), settings.related(planted, 48)
    assert (found.batch_size, recommended.batch_size, settings.batch_size) == (32, 48, "auto")
    assert found.steps(planted) == 10 * 47 >= 400 > 10 * 24 == fit(batch_size=64, epochs=10).steps(planted)
    assert found is not settings and found.settings == settings.settings | {"batch_size": 32}
    assert fit(batch_size=100).related(planted, 48).batch_size == 100  # what is set by hand stays
    trained = found([Member(1e-3, 1e-4)], planted)[0]
    by_hand = fit(batch_size=32, epochs=10)([Member(1e-3, 1e-4)], planted)[0]
    assert torch.equal(trained.weights, by_hand.weights)


def test_weights_that_do_not_stay_finite_are_refused(planted: Split) -> None:
    with pytest.raises(InputError, match=r"must keep weights finite, got NaN or infinity at l1=1e\+300, l2=0"):
        fit(epochs=2)([Member(l1=1e300)], planted)


def test_the_same_seed_gives_the_same_weights(planted: Split) -> None:
    one, same, other = (fit(seed=s)([Member(seed=s)], planted)[0].weights for s in (3, 3, 4))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_the_grid_holds_the_unregularised_probe() -> None:
    settings = fit(l1=[1e-3, 1e-2], l2=[1e-4])
    assert [(m.l1, m.l2) for m in settings.grid()] == [(0.0, 0.0), (1e-3, 1e-4), (1e-2, 1e-4)]
    assert settings.pairs == [(1e-3, 1e-4), (1e-2, 1e-4)]


@pytest.mark.parametrize("wrong", [{"l1": -1.0}, {"l2": "abc"}, {"l1": [0.1, float("nan")]}, {"epochs": 0},
                                   {"batch_size": 2.5}, {"lr": 0}, {"seed": -1}, {"solver": "newton"},
                                   {"optimizer": "sgd"}, {"objective": "other"}, {"standardise": "minmax"},
                                   {"class_weights": True}, {"shuffle": "no"},
                                   {"scale_weights": 1}])  # fmt: skip
def test_settings_that_can_not_be_used_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        fit(**wrong)  # type: ignore[arg-type]


def noisy_labels(
    activations: torch.Tensor, generator: torch.Generator, shift: torch.Tensor | float = 0.0
) -> torch.Tensor:
    """Three labels that the activations tell in part: the optimum is near and soon reached."""
    scores = activations @ torch.randn(activations.shape[1], 3, generator=generator)
    return (scores + 3 * torch.randn(scores.shape, generator=generator) + shift).argmax(1)


def test_z_scores_are_scikit_learns_and_constant_neurons_are_guarded(make_split: MakeSplit) -> None:
    activations = torch.randn(200, 6) * torch.tensor([1.0, 10.0, 0.1, 3.0, 1.0, 1.0]) + 5
    activations[:, 4] = 7.5
    split = make_split(activations, torch.arange(200) % 3)
    witness = StandardScaler().fit(activations.double().numpy())
    np.testing.assert_allclose(split.standardisation.mean, witness.mean_, rtol=1e-5)
    np.testing.assert_allclose(split.standardisation.deviation, witness.scale_, rtol=1e-4)
    assert split.standardisation.deviation[4] == 1


def test_a_probe_of_z_scores_reads_raw_activations(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(0)
    scales = torch.tensor([1.0, 30.0, 0.05, 3.0, 1.0, 2.0])
    activations = torch.randn(300, 6, generator=generator) * scales + 4
    noise = 3 * torch.randn(300, 3, generator=generator)
    labels = ((activations - 4) / scales @ torch.randn(6, 3, generator=generator) + noise).argmax(1)
    train = make_split(activations, labels)
    settings = fit(epochs=200, batch_size=300, lr=0.05, precision="64-true", standardise="zscore")
    solved = settings([Member(0.0, 1e-2)], train)[0]
    scores = StandardScaler().fit_transform(activations.double().numpy())
    witness = LogisticRegression(C=1 / (300 * 2 * 1e-2), tol=1e-10, max_iter=10_000).fit(scores, labels.numpy())
    np.testing.assert_allclose(solved.trained_weights.numpy(), witness.coef_, atol=1e-3)
    assert float(score([solved], train).accuracy) == pytest.approx(witness.score(scores, labels.numpy()), abs=0.01)
    assert solved.keep(torch.tensor([1, 3])).trained_weights.shape == (3, 2)


def test_scaled_weights_are_those_that_z_scores_would_have(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(300, 5, generator=generator) * torch.tensor([1.0, 9.0, 0.1, 2.0, 1.0]) + 3
    train = make_split(activations, noisy_labels(activations, generator))
    some = torch.tensor([0, 2, 4])
    plain, scaled = (fit(scale_weights=on)([Member(1e-3), Member(neurons=some)], train) for on in (False, True))
    deviations = StandardScaler().fit(activations.double().numpy()).scale_
    for before, after, own in zip(plain, scaled, (slice(None), some), strict=True):
        assert torch.equal(before.weights, after.weights)
        np.testing.assert_allclose(after.trained_weights, before.weights.numpy() * deviations[own], rtol=1e-4)
    assert torch.equal(score(plain, train).correct, score(scaled, train).correct)


def test_weights_of_units_are_scikit_learns_sample_weights(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(300, 5, generator=generator)
    labels = noisy_labels(activations, generator)
    weights = torch.randint(0, 4, (300,), generator=generator).float()
    weights *= len(weights) / weights.sum()
    train = make_split(activations, labels)
    members = [Member(0.0, 1e-2, weights=weights), Member(0.0, 1e-2)]
    resampled, plain = fit(epochs=200, batch_size=300, lr=0.05, precision="64-true")(members, train)
    witness = LogisticRegression(C=1 / (300 * 2 * 1e-2), tol=1e-10, max_iter=10_000)
    witness.fit(activations.double().numpy(), labels.numpy(), sample_weight=weights.numpy())
    np.testing.assert_allclose(resampled.weights.numpy(), witness.coef_, atol=1e-3)
    assert (resampled.weights - plain.weights).abs().max() > 0.01


def test_balanced_class_weights_are_scikit_learns(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(300, 5, generator=generator)
    labels = noisy_labels(activations, generator, torch.tensor([2.0, 0.0, 0.0]))
    train = make_split(activations, labels)
    settings = fit(epochs=200, batch_size=300, lr=0.05, precision="64-true", class_weights="balanced")
    solved = settings([Member(0.0, 1e-2)], train)[0]
    witness = LogisticRegression(C=1 / (300 * 2 * 1e-2), tol=1e-10, max_iter=10_000, class_weight="balanced")
    witness.fit(activations.double().numpy(), labels.numpy())
    np.testing.assert_allclose(solved.weights.numpy(), witness.coef_, atol=1e-3)


def test_a_member_with_its_own_labels_is_a_probe_trained_on_them(planted: Split) -> None:
    other = (planted.units.labels + torch.arange(len(planted))) % 4
    together = fit(precision="64-true")([Member(1e-3), Member(1e-3, labels=other)], planted)[1]
    alone = fit(precision="64-true")([Member(1e-3)], planted.relabelled(other))[0]
    torch.testing.assert_close(together.weights, alone.weights, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_proximal_step_reaches_scikit_learns_elastic_net_with_exact_zeros(
    make_split: MakeSplit, optimizer: str
) -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(300, 8, generator=generator)
    labels = noisy_labels(activations[:, :4], generator)
    train = make_split(activations, labels)
    l1, l2 = 2e-2, 1e-3
    lr = {"adam": 0.02, "sgd": 0.5}[optimizer]
    settings = fit(epochs=250, batch_size=300, lr=lr, precision="64-true", solver="proximal", optimizer=optimizer)
    solved = settings([Member(l1, l2)], train)[0]
    witness = LogisticRegression(
        C=1 / (300 * (l1 + 2 * l2)), l1_ratio=l1 / (l1 + 2 * l2), solver="saga", tol=1e-10, max_iter=20_000
    ).fit(activations.double().numpy(), labels.numpy())
    np.testing.assert_allclose(solved.weights.numpy(), witness.coef_, atol=1e-3)
    assert (solved.weights == 0).sum() == (abs(witness.coef_) < 1e-9).sum() > 0
    assert solved.optimality is not None and solved.optimality.residual < 1e-3 and solved.optimality.zeros > 0.2


def test_the_kkt_residual_tells_an_optimum_from_a_start(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(300, 5, generator=generator)
    labels = noisy_labels(activations, generator)
    train, members = make_split(activations, labels), [Member(0.0, 1e-2), Member(1e-2, 0.0)]
    start, end = (fit(epochs=n, batch_size=300, lr=0.05, precision="64-true")(members, train) for n in (1, 200))
    reached = [probe.optimality for probe in (*start, *end)]
    assert reached[0].residual > 0.05 and reached[2].residual < 1e-4
    assert reached[2].objective < reached[0].objective
    weights, bias = end[0].weights, end[0].bias
    by_hand = torch.nn.functional.cross_entropy(activations.double() @ weights.T + bias, labels)
    assert reached[2].objective == pytest.approx(float(by_hand + 1e-2 * weights.square().sum()), rel=1e-6)
    assert [r.unique for r in reached[2:]] == [True, False]


def test_the_objective_of_neurox_has_the_norm_un_squared() -> None:
    weights = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    l1, l2 = torch.tensor([0.1, 0.0]).double(), torch.tensor([0.5, 2.0]).double()
    elastic_net(weights, l1, l2, squared=False).backward()
    plain = weights.detach().clone().requires_grad_()
    sum(l1[m] * plain[m].norm(1) + l2[m] * plain[m].norm(2) for m in range(2)).backward()
    torch.testing.assert_close(weights.grad, plain.grad)


def test_neuroxs_loop_gives_the_same_weights(planted: Split) -> None:
    """One epoch as NeuroX trains (torch.nn.Linear, Adam, batches in order, penalty as its code has it), float64."""
    settings = fit(epochs=1, batch_size=32, lr=1e-3, precision="64-true", objective="neurox", shuffle=False)
    member = Member(1e-3, 1e-2, seed=5)
    ours = settings([member], planted)[0]
    linear = torch.nn.Linear(40, 4).double()
    start = settings.bank([member], planted)
    linear.weight.data, linear.bias.data = start.weights[0][0].detach().double(), start.bias[0][0].detach().double()
    optimizer = torch.optim.Adam(linear.parameters(), lr=1e-3)
    batch = planted.batch(torch.arange(len(planted)))
    for activations, labels in zip(batch.activations.double().split(32), batch.labels.split(32), strict=True):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(linear(activations), labels)
        (loss + 1e-3 * linear.weight.norm(1) + 1e-2 * linear.weight.norm(2)).backward()
        optimizer.step()
    torch.testing.assert_close(ours.weights, linear.weight.data, rtol=0, atol=1e-9)
    torch.testing.assert_close(ours.bias, linear.bias.data, rtol=0, atol=1e-9)
