"""Solver `exact` against scikit-learn, a generic convex solver, proximal Adam, and against itself in other company."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from neuronprobe.activations import BatchStream, Split
from neuronprobe.errors import InputError
from neuronprobe.probes import ExactFit, Fit, Member, Probe, training_bar
from neuronprobe.probes.exact_bank import ExactBank
from neuronprobe.probes.fit import _TrainOnly, quiet_trainer
from neuronprobe.probes.optimality import optimality
from neuronprobe.probes.solvers import proximal_newton
from neuronprobe.probes.solvers.fista import Fista
from neuronprobe.probes.solvers.regularisation_path import RegularisationPaths, paths
from neuronprobe.rankings.lca import by_mass
from neuronprobe.resume import checkpoint_callback
from tests.conftest import MakeSplit, make_trained


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def correlated(make_split: MakeSplit) -> Split:
    """600 units, 30 neurons that share six causes, on scales from 0.1 to 10 around means that are not 0; 3 labels."""
    generator = torch.Generator().manual_seed(3)
    causes = torch.randn(600, 6, generator=generator)
    activations = causes @ torch.randn(6, 30, generator=generator) + 0.5 * torch.randn(600, 30, generator=generator)
    noise = 2 * torch.randn(600, 3, generator=generator)
    labels = (causes @ torch.randn(6, 3, generator=generator) + noise + torch.tensor([0.0, 1.0, -1.0])).argmax(1)
    return make_split(activations * torch.logspace(-1, 1, 30) + torch.linspace(-3, 3, 30), labels)


def fit(l1: float = 1e-2, l2: float = 1e-3, **settings: object) -> ExactFit:
    chosen = {"l1": l1, "l2": l2, "precision": "64-true", "tolerance": 1e-6, "block_size": 1000, **settings}
    return ExactFit(**chosen)  # type: ignore[arg-type]


def z_scores(split: Split) -> np.ndarray:
    activations = split.batch(torch.arange(len(split))).activations.double()
    return ((activations - activations.mean(0)) / activations.std(0, correction=0)).numpy()


def assert_same(one: Probe, other: Probe, atol: float = 1e-4) -> None:
    torch.testing.assert_close(one.trained_weights, other.trained_weights, rtol=0, atol=atol)


@pytest.mark.parametrize(("l1", "l2"), [(1e-2, 1e-3), (3e-3, 1e-2), (2e-2, 0.0)])
def test_weights_and_bias_equal_scikit_learns_elastic_net(correlated: Split, l1: float, l2: float) -> None:
    witness = LogisticRegression(
        C=1 / (600 * (l1 + 2 * l2)), l1_ratio=l1 / (l1 + 2 * l2), solver="saga", tol=1e-7, max_iter=5000
    )
    witness.fit(z_scores(correlated), correlated.units.labels.numpy())
    found = fit(l1, l2)([Member(l1, l2)], correlated)[0]
    np.testing.assert_allclose(found.trained_weights.numpy(), witness.coef_, atol=1e-3)
    mean, _ = correlated.standardisation
    bias = found.bias + found.weights @ mean.double()
    np.testing.assert_allclose(bias - bias.mean(), witness.intercept_ - witness.intercept_.mean(), atol=1e-3)
    assert found.optimality.converged and found.optimality.unique == (l2 > 0)


def test_the_objective_equals_a_generic_convex_solvers(correlated: Split) -> None:
    activations, labels, n = z_scores(correlated), correlated.units.labels.numpy(), 600
    l1, l2 = 1e-2, 1e-3

    def objective(halves: np.ndarray) -> tuple[float, np.ndarray]:
        positive, negative = halves[:90].reshape(3, 30), halves[90:180].reshape(3, 30)
        weights, bias = positive - negative, halves[180:]
        outputs = activations @ weights.T + bias
        outputs -= outputs.max(1, keepdims=True)
        shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
        loss = -np.log(shares[np.arange(n), labels]).mean()
        rest = (shares - np.eye(3)[labels]) / n
        slope = rest.T @ activations + 2 * l2 * weights
        gradient = np.concatenate([(slope + l1).ravel(), (l1 - slope).ravel(), rest.sum(0)])
        return loss + l1 * halves[:180].sum() + l2 * (weights**2).sum(), gradient

    bounds = [(0, None)] * 180 + [(None, None)] * 3
    generic = minimize(objective, np.zeros(183), jac=True, bounds=bounds, method="L-BFGS-B",
                       options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-9})  # fmt: skip
    found = fit(l1, l2)([Member(l1, l2)], correlated)[0]
    assert found.optimality.objective == pytest.approx(generic.fun, abs=1e-8)
    weights = (generic.x[:90] - generic.x[90:180]).reshape(3, 30)
    np.testing.assert_allclose(found.trained_weights.numpy(), weights, atol=1e-3)


def test_proximal_adam_comes_to_the_same_optimum(planted: Split) -> None:
    steps = {"solver": "proximal", "epochs": 200, "batch_size": 1500, "lr": 0.1, "standardise": "zscore"}
    adam = Fit(l1=1e-2, l2=1e-2, precision="64-true", **steps)([Member(1e-2, 1e-2)], planted)[0]  # type: ignore[arg-type]
    found = fit()([Member(1e-2, 1e-2)], planted)[0]
    assert_same(found, adam, 2e-3)
    assert found.optimality.objective == pytest.approx(adam.optimality.objective, abs=1e-7)


def test_above_l1_max_all_weights_are_zero_and_below_it_not(correlated: Split) -> None:
    weights = torch.rand(600, generator=torch.Generator().manual_seed(0)) * 2
    weighted = Member(weights=weights * len(weights) / weights.sum(), neurons=torch.tensor([3, 8, 20]))
    other = Member(labels=(correlated.units.labels + torch.arange(600) // 300) % 3)
    for start in ("zeros", "random"):
        for like in (Member(), weighted, other):
            settings = fit(start=start)
            most = settings.l1_max(like, correlated)
            pairs = ((1.001 * most, 1e-3), (0.99 * most, 1e-3))
            members = [Member(*pair, 5, like.neurons, like.labels, like.weights) for pair in pairs]
            zero, some = settings(members, correlated)
            assert (zero.weights == 0).all() and zero.optimality.zeros == 1
            assert (some.weights != 0).any() and some.optimality.converged


def test_l1_max_heeds_class_weights(correlated: Split) -> None:
    balanced = fit(class_weights="balanced")
    most = balanced.l1_max(Member(), correlated)
    zero, some = balanced([Member(1.001 * most, 1e-3), Member(0.99 * most, 1e-3)], correlated)
    assert (zero.weights == 0).all() and (some.weights != 0).any()
    assert most != pytest.approx(fit().l1_max(Member(), correlated), rel=1e-3)


@pytest.mark.parametrize("standardise", ["none", "zscore"])
def test_a_member_equals_the_same_probe_alone(planted: Split, standardise: str) -> None:
    generator = torch.Generator().manual_seed(2)
    some, others = torch.tensor([7, 3, 18, 30]), torch.tensor([1, 25, 31, 0])
    labels, weights = (planted.units.labels + 1) % 4, torch.rand(1500, generator=generator)
    members = [
        Member(1e-2, 1e-2), Member(3e-2, 1e-2, neurons=some), Member(3e-2, 1e-2), Member(3e-2, 1e-2, neurons=others),
        Member(3e-2, 1e-2, labels=labels), Member(3e-2, 1e-2, weights=weights / weights.mean()),
    ]  # fmt: skip
    settings = fit(standardise=standardise, tolerance=1e-5)
    together = settings(members, planted)
    for member, found in zip(members, together, strict=True):
        alone = settings([member], planted)[0]
        assert found.optimality.converged and alone.optimality.converged
        assert_same(found, alone, 1e-3)
        assert found.optimality.objective == pytest.approx(alone.optimality.objective, abs=1e-7)
        assert (found.l1, found.l2) == (member.l1, member.l2)
    assert not torch.allclose(together[2].weights, together[4].weights, atol=1e-1)
    assert not torch.allclose(together[2].weights, together[5].weights, atol=3e-3)


def test_what_is_reported_is_what_is_found_on_all_of_train(correlated: Split) -> None:
    settings = fit(tolerance=1e-6)
    members = [Member(1e-2, 1e-3), Member(1e-1, 1e-3), Member(1e-2, 1e-3, neurons=torch.arange(0, 30, 3))]
    bank = settings.bank(members, correlated)
    quiet_trainer(3000, precision="64-true").fit(bank, datamodule=_TrainOnly(correlated, 250, None))
    for probe, measured in zip(settings.trained(bank, correlated), _measured(bank, correlated), strict=True):
        assert probe.optimality.objective == pytest.approx(measured.objective, abs=1e-7)
        assert probe.optimality.residual == pytest.approx(measured.residual, abs=1e-7)
        assert probe.optimality.residual <= 1e-6
        assert probe.optimality.zeros == measured.zeros == float((probe.weights == 0).double().mean())


def _measured(bank: ExactBank, train: Split) -> list:
    """By autograd through standardised activations, as for every other bank."""
    return optimality(bank.requires_grad_(), train)


def test_two_random_starts_give_the_same_ranking_and_other_starts_than_zeros(correlated: Split) -> None:
    settings = fit(3e-3, 1e-3, start="random", precision="32-true", tolerance=1e-5)
    one, other = settings([Member(3e-3, 1e-3, 1), Member(3e-3, 1e-3, 2)], correlated)
    assert not torch.equal(one.weights, other.weights)
    assert torch.equal(by_mass(one.trained_weights).order[:10], by_mass(other.trained_weights).order[:10])
    zeros = fit(3e-3, 1e-3)([Member(3e-3, 1e-3, 1)], correlated)[0]
    np.testing.assert_allclose(one.trained_weights.numpy(), zeros.trained_weights.numpy(), atol=5e-3)


def test_paths_go_from_the_strongest_l1_to_the_weakest() -> None:
    few, also_few, near = torch.tensor([1, 2]), torch.tensor([1, 2]), Probe(torch.zeros(1, 3), torch.zeros(1))
    members = [
        Member(1e-3, 1e-3), Member(1e-1, 1e-3), Member(1e-2, 1e-3), Member(1e-2, 1e-2), Member(1e-2, 1e-3, 0, few),
        Member(1e-1, 1e-3, 0, also_few), Member(1e-2, 1e-3, 1), Member(1e-2, 1e-3, labels=few),
        Member(1e-2, 1e-3, near=near), Member(1e-1, 1e-3, near=near),
    ]  # fmt: skip
    assert sorted(paths(members)) == [[1, 2, 0], [3], [5, 4], [6], [7], [8], [9]]


def test_a_path_takes_fewer_passes_than_its_members_alone(correlated: Split) -> None:
    settings, members = fit(tolerance=1e-4), [Member(l1, 1e-2) for l1 in (2e-2, 1.9e-2, 1.8e-2, 1.7e-2)]
    alone = [_passes(settings, [member], correlated) for member in members]
    assert _passes(settings, members, correlated) < 0.6 * sum(alone)


@pytest.mark.parametrize("standardise", ["none", "zscore"])
def test_members_that_begin_near_another_probe_come_to_the_same_optimum_in_fewer_passes(
    planted: Split, standardise: str
) -> None:
    settings = fit(standardise=standardise, tolerance=1e-6)
    (near,) = settings([Member(1e-2, 1e-2)], planted)
    weights = torch.rand(1500, generator=torch.Generator().manual_seed(2))
    some = by_mass(near.trained_weights).order[:12]
    for own in ({"weights": weights / weights.mean()}, {"neurons": some}):
        far, close = Member(1e-2, 1e-2, **own), Member(1e-2, 1e-2, near=near, **own)
        assert_same(settings([far], planted)[0], settings([close], planted)[0], 1e-4)
        assert _passes(settings, [close], planted) < _passes(settings, [far], planted)
    again = Member(1e-2, 1e-2, near=near)
    assert _passes(settings, [again], planted) == 1
    assert _passes(fit(start="random", standardise=standardise), [again], planted) > 3


def _passes(settings: ExactFit, members: list[Member], train: Split) -> int:
    bank = settings.bank(members, train)
    trainer = quiet_trainer(settings.epochs, precision="64-true")
    trainer.fit(bank, datamodule=_TrainOnly(train, 1000, None))
    assert len(bank.paths.reached) == len(members)
    return trainer.current_epoch


def test_most_passes_read_only_the_neurons_in_use(planted: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    read, original = [], ExactBank._read

    def spy(bank: ExactBank, *arguments: object) -> torch.Tensor:
        found = original(bank, *arguments)  # type: ignore[arg-type]
        read.append(found.shape[1])
        return found

    monkeypatch.setattr(ExactBank, "_read", spy)
    monkeypatch.setattr(proximal_newton, "DENSE", 0.0)
    members = [Member(0.1, 1e-3), Member(0.05, 1e-3), Member(0.01, 1e-3)]
    active = fit()(members, planted)
    assert np.mean([width < 40 for width in read]) > 0.5
    monkeypatch.setattr("neuronprobe.probes.exact_bank.FEW", 0.0)
    for one, other in zip(active, fit()(members, planted), strict=True):
        assert one.optimality.converged
        assert_same(one, other, 1e-4)


def test_blocks_do_not_change_the_result(correlated: Split) -> None:
    whole, blocks = (fit(block_size=size)([Member(2e-2, 1e-2)], correlated)[0] for size in (600, 170))
    assert_same(whole, blocks, 1e-6)


def test_activations_beyond_memory_are_streamed_to_the_same_result(
    correlated: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neuronprobe.probes.exact.MOST_HELD", 0.0)
    monkeypatch.setattr("neuronprobe.probes.exact_bank.MOST_HELD", 0)
    streamed = fit()([Member(1e-2, 1e-3)], correlated)[0]
    assert correlated._held is None
    monkeypatch.undo()
    held = fit()([Member(1e-2, 1e-3)], correlated)[0]
    assert correlated._held is not None
    torch.testing.assert_close(streamed.weights, held.weights, rtol=0, atol=1e-10)


def test_members_that_run_out_of_passes_say_so(correlated: Split, caplog: pytest.LogCaptureFixture) -> None:
    members = [Member(1e-3, 1e-4), Member(1e-2, 1e-4), Member(1.0, 1e-4)]
    probes = fit(epochs=6)(members, correlated)
    assert [probe.optimality.converged for probe in probes] == [False, False, True]
    assert all(probe.optimality.residual > 1e-7 for probe in probes[:2])
    assert "2 of 3 probes did not come to their optimum in 6 passes" in caplog.text and "raise" in caplog.text
    assert "probe.tolerance or the weakest" in caplog.text
    for l1, said in ((1e-2, "scored_tolerance"), (0.0, "scored_tolerance"), (1e-4, "tolerance")):
        caplog.clear()
        fit(epochs=6).for_scores(l1)(members, correlated)
        assert f"probe.{said} or the weakest" in caplog.text
    one = fit(epochs=1)(members, correlated)
    assert [probe.optimality.converged for probe in one] == [False, False, True]


@pytest.mark.parametrize(("dense", "epochs"), [(250.0, 7), (250.0, 9), (250.0, 10), (0.0, 60)])
def test_an_interrupted_path_goes_on_where_it_was(
    correlated: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dense: float, epochs: int
) -> None:
    monkeypatch.setattr(proximal_newton, "DENSE", dense)
    members = [Member(l1, 1e-2) for l1 in (1e-1, 5e-2, 1e-2)]
    settings = fit(precision="32-true", tolerance=1e-5)
    straight = settings(members, correlated)
    data = _TrainOnly(correlated, 1000, None)
    bank = settings.bank(members, correlated)
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    first = pl.Trainer(max_epochs=epochs, callbacks=[checkpoint_callback(tmp_path)], **options)  # type: ignore[arg-type]
    first.fit(bank, datamodule=data)
    assert 0 < len(bank.paths.reached) < 3
    again = settings.bank(members, correlated)
    second = pl.Trainer(max_epochs=3000, enable_checkpointing=False, **options)  # type: ignore[arg-type]
    second.fit(again, datamodule=data, ckpt_path=tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    for one, other in zip(straight, settings.trained(again, correlated), strict=True):
        assert torch.equal(one.weights, other.weights)
        assert one.optimality == other.optimality


@pytest.mark.parametrize("dense", [250.0, 0.0])
def test_how_much_is_done_grows_before_a_member_is_solved(
    correlated: Split, monkeypatch: pytest.MonkeyPatch, dense: float
) -> None:
    monkeypatch.setattr(proximal_newton, "DENSE", dense)
    seen: list[tuple[float, int]] = []

    def look(bank: ExactBank) -> None:
        assert bank.progress[1] == 2.0
        seen.append((bank.progress[0], len(bank.paths.reached)))

    monkeypatch.setattr(ExactBank, "on_train_epoch_end", look)
    fit(precision="32-true", tolerance=1e-5)([Member(1e-1, 1e-2), Member(1e-2, 1e-2)], correlated)
    done = [share for share, _ in seen]
    assert done == sorted(done) and done[0] == 0.0 and done[-1] == 2.0
    for reached in (0, 1):
        parts = [share - reached for share, n in seen if n == reached]
        assert len(set(parts)) >= 3 and min(parts) >= 0.0 and max(parts) <= 1.0


def test_what_is_left_is_said_once_and_not_before_a_part_is_done(
    correlated: Split, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(training_bar, "TRIAL", 0.0)
    monkeypatch.setattr(training_bar, "WORTH_IT", 0.0)
    members, done = [Member(1e-1, 1e-2), Member(1e-2, 1e-2)], []
    monkeypatch.setattr(training_bar, "duration", lambda seconds: done.append(bank.progress[0]) or "1 s")
    for part, said in ((0.05, 1), (0.6, 1), (1.1, 0)):
        monkeypatch.setattr(training_bar, "PART", part)
        caplog.clear()
        done.clear()
        with caplog.at_level("INFO"):
            bank = fit(precision="32-true", tolerance=1e-5).bank(members, correlated)
            trainer = pl.Trainer(
                max_epochs=300, callbacks=[training_bar.TrainingBar()], logger=False, enable_checkpointing=False,
                enable_progress_bar=False, enable_model_summary=False,
            )  # fmt: skip
            trainer.fit(bank, datamodule=_TrainOnly(correlated, 1000, None))
        assert caplog.text.count("training 2 probes: about 1 s left") == len(done) == said
        assert all(part * 2 <= one <= 2 for one in done)


def test_probes_that_are_scored_and_not_ranked_stop_earlier(correlated: Split) -> None:
    for settings, expected in (
        (fit(scored_tolerance=1e-4), 1e-4), (fit(tolerance=1e-2, scored_tolerance=1e-3), 1e-2),
        (fit(scored_tolerance=1.0), 1e-3),  # a tenth of λ1
    ):  # fmt: skip
        (probe,) = settings([Member(1e-2, 1e-3)], correlated)
        trained = make_trained(probe, correlated, fit=settings)
        (again,) = trained.retrain([torch.arange(20)])
        assert again.optimality.converged and again.optimality.residual <= expected
        assert probe.optimality.residual <= settings.tolerance in (1e-6, 1e-2)
        (exactly,) = fit()([trained.member(torch.arange(20))], correlated)
        assert exactly.optimality.residual <= 1e-6 < again.optimality.residual


def test_a_model_that_has_learnt_goes_on_as_it_was_wherever_it_is_interrupted(
    correlated: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proximal_newton, "UNITS", 8)
    members, settings = [Member(1e-2, 1e-2)], fit(l2=1e-2, precision="32-true")
    data, learnt = _TrainOnly(correlated, 1000, None), 0
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    (straight,) = settings(members, correlated)
    for passes in range(8, 12):
        bank, folder = settings.bank(members, correlated), tmp_path / str(passes)
        first = pl.Trainer(max_epochs=passes, callbacks=[checkpoint_callback(folder)], **options)  # type: ignore[arg-type]
        first.fit(bank, datamodule=data)
        learnt += any(descent.ways is not None for descent in bank.paths.descents.values())  # type: ignore[union-attr]
        again = settings.bank(members, correlated)
        second = pl.Trainer(max_epochs=3000, enable_checkpointing=False, **options)  # type: ignore[arg-type]
        second.fit(again, datamodule=data, ckpt_path=folder / "checkpoints" / "last.ckpt", weights_only=True)
        assert torch.equal(settings.trained(again, correlated)[0].weights, straight.weights)
    assert learnt > 2


def test_a_step_that_was_too_long_is_taken_again() -> None:
    """A quadratic whose curvature, 1,000, is far above the assumed one, 1."""
    target = torch.tensor([[1.0, -2.0, 0.5]]).double()
    descent = Fista(torch.zeros(1, 3).double(), 0.0, 0.0)
    for _ in range(200):
        descent.move(torch.tensor([1000.0, 10.0, 100.0]) * (descent.point - target))
    torch.testing.assert_close(descent.point, target, rtol=0, atol=1e-6)


def test_the_residual_is_the_largest_violation_over_weights_and_bias() -> None:
    descent = Fista(torch.tensor([[0.0, 2.0, -1.0, 7.0]]).double(), l1=0.1, l2=0.01)
    at_rest = torch.tensor([[0.1, -0.14, 0.12, 0.0]], dtype=torch.float64)
    assert descent.residual(at_rest) == pytest.approx(0, abs=1e-12)
    for column, (change, violation) in enumerate([(0.2, 0.2), (0.3, 0.3), (-0.4, 0.4), (0.5, 0.5)]):
        moved = at_rest.clone()
        moved[0, column] += change
        assert descent.residual(moved) == pytest.approx(violation)


def walk(passes: int = 10) -> RegularisationPaths:
    """Two members of one path, at zero, dense ones; a gradient of 0 is optimal, one of 5 is not."""
    walked = RegularisationPaths([Member(1e-2, 1e-3), Member(1e-1, 1e-3)], [torch.zeros(1, 3)] * 2, 1e-5, passes)
    walked.descents[1] = Fista(torch.zeros(1, 3).double(), 1e-1, 1e-3)
    return walked


NEAR, FAR = torch.zeros(1, 3).double(), torch.full((1, 3), 5.0).double()


def test_a_member_is_solved_only_once_all_neurons_were_read() -> None:
    walked = walk()
    assert walked.in_play() == ([1], False)
    walked.step({1: 1.0}, {1: NEAR}, is_whole=False)
    assert not walked.reached and walked.in_play() == ([1], True)
    walked.step({1: 1.0}, {1: FAR}, is_whole=True)
    assert not walked.reached and walked.in_play() == ([1], False)


def test_the_passes_are_shared_among_the_members_of_a_path() -> None:
    walked = walk(passes=10)
    for done in range(5):
        assert list(walked.descents) == [1] and walked.in_play()[1] == (done == 4)
        walked.step({1: 1.0}, {1: FAR}, is_whole=walked.in_play()[1])
    assert list(walked.descents) == [0] and not walked.reached[1].converged
    assert walked.passes_left == 5


def test_the_state_of_a_walk_is_all_of_it() -> None:
    walked, other = walk(), walk()
    walked.step({1: 1.0}, {1: NEAR + 1e-4}, is_whole=False)  # of weights at rest, but of a bias that is not
    walked.descents[1].point.zero_()
    walked.step({1: 1.0}, {1: NEAR}, is_whole=False)
    assert walked.in_play() == ([1], True)
    other.load_state_dict(walked.state_dict())
    assert (other.in_play(), other.passes_left) == (walked.in_play(), walked.passes_left)
    for one in (walked, other):
        one.step({1: 1.0}, {1: FAR}, is_whole=True)
    assert torch.equal(other.descents[1].point, walked.descents[1].point)


def test_no_optimum_is_promised_where_there_is_none(planted: Split) -> None:
    with pytest.raises(InputError, match="must not both be 0 for solver exact"):
        fit(l1=[0.0, 1e-3], l2=[0.0, 1e-3])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="must not both be 0 for solver exact"):
        fit()([Member(0.0, 0.0)], planted)


def test_shares_become_absolute_once_train_is_seen(planted: Split) -> None:
    settings = ExactFit(l2=[1e-3, 1e-2], l1_shares=[0.1, 0.5])
    most = settings.l1_max(Member(), planted)
    unrelated, settings = settings, settings.related(planted)
    assert isinstance(settings, ExactFit) and settings is not unrelated
    assert (unrelated.l1, unrelated.shares) == ([0.1, 0.5], [0.1, 0.5])
    assert settings.l1 == pytest.approx([0.1 * most, 0.5 * most])
    assert fit().related(planted).l1 == [1e-2]
    assert sorted({m.l1 for m in settings.grid()}) == pytest.approx([0.1 * most, 0.5 * most])
    assert settings.reference == settings.pairs[0] == (pytest.approx(0.1 * most), 1e-3)
    assert len(settings.grid()) == 4


@pytest.mark.parametrize(("wrong", "message"), [
    ({"l1": None}, "must be given"), ({"l1_shares": 0.1}, "and not both"), ({"tolerance": 0.0}, "tolerance"),
    ({"start": "ones"}, "start"), ({"precision": "bf16-true"}, "precision must be 32-true or 64-true"),
    ({"l1": -1.0}, "l1"), ({"epochs": 0}, "epochs"),
    ({"block_size": "auto"}, r"probe\.block_size must be a whole number"),
])  # fmt: skip
def test_settings_that_can_not_be_used_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit(**wrong)  # type: ignore[arg-type]


def test_several_processes_are_refused(planted: Split) -> None:
    bank = fit().bank([Member(1e-2, 1e-3)], planted)
    bank._trainer = SimpleNamespace(world_size=2)
    with pytest.raises(InputError, match="devices must be 1 for solver exact, got 2"):
        bank.on_fit_start()


def test_autocast_is_not_applied(planted: Split) -> None:
    mixed = fit(precision="bf16-mixed", tolerance=1e-5)([Member(1e-2, 1e-3)], planted)[0]
    assert mixed.optimality.converged
    outer = fit(precision="32-true", tolerance=1e-5)
    bank = outer.bank([Member(1e-2, 1e-3)], planted)
    quiet_trainer(500, precision="bf16-mixed").fit(bank, datamodule=_TrainOnly(planted, 250, None))
    assert_same(outer.trained(bank, planted)[0], mixed, 1e-6)


def test_units_come_in_order(correlated: Split) -> None:
    stream = BatchStream(correlated, 100, fit().order_seed)
    assert torch.cat([batch.positions for batch in stream]).tolist() == list(range(600))
