"""The bank against scikit-learn, against a probe trained alone, and against planted answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from neuronprobe.activations import BatchStream, Split
from neuronprobe.errors import InputError
from neuronprobe.probes import Fit, Member, Probe, load_probe, save_probe, score
from neuronprobe.probes.penalty import elastic_net
from neuronprobe.rankings import lca
from neuronprobe.studies.oracle import macro_f1
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
    solved = fit(epochs=1200, batch_size=300, lr=0.05, precision="64-true")([Member(0.0, 1e-3)], train)[0]
    witness = LogisticRegression(C=1 / (300 * 2 * 1e-3), tol=1e-10, max_iter=10_000)
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
    ranking = lca(probe.weights)
    assert set(ranking.order[:4].tolist()) == {7, 18, 25, 31}
    assert set(ranking.by_label[:, 0].tolist()) <= {7, 18, 25, 31}


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
        assert float(macro_f1(found)[i]) == pytest.approx(f1_score(labels, predicted, average="macro"))


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
    save_probe(tmp_path / "probe.safetensors", probe, ["a", "b", "c", "d"], planted.neurons.as_list())
    loaded, labels, segments = load_probe(tmp_path / "probe.safetensors")
    assert torch.equal(loaded.weights, probe.weights) and torch.equal(loaded.bias, probe.bias)
    assert loaded.neurons.tolist() == [3, 5] and (loaded.l1, loaded.l2, loaded.seed) == (1e-3, 1e-2, 4)
    assert labels == ["a", "b", "c", "d"] and segments == planted.neurons.as_list()


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
                                   {"batch_size": 2.5}, {"lr": 0}, {"seed": -1}])  # fmt: skip
def test_settings_that_can_not_be_used_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        fit(**wrong)  # type: ignore[arg-type]
