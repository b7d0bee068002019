"""Proximal Newton against scikit-learn, autograd, FISTA, and the optimum's conditions computed anew in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso, LogisticRegression

from neuronprobe.activations import Split
from neuronprobe.probes import ExactFit, Member, Probe
from neuronprobe.probes.exact_bank import ExactBank
from neuronprobe.probes.fit import _TrainOnly, quiet_trainer
from neuronprobe.probes.solvers import panel, proximal_newton, sampled_loss, semismooth_newton
from neuronprobe.probes.solvers.fista import Fista
from neuronprobe.probes.solvers.model_lasso import Problem, solve
from neuronprobe.probes.solvers.panel import Panel
from neuronprobe.probes.solvers.proximal_newton import ProximalNewton, is_dense, working_sets
from neuronprobe.probes.solvers.regularisation_path import RegularisationPaths
from neuronprobe.probes.solvers.sampled_hessian import Reader, SampledHessian, sample
from neuronprobe.probes.solvers.sampled_loss import descend
from neuronprobe.probes.solvers.semismooth_newton import lasso
from neuronprobe.targets.curvature import Curvature, SoftmaxCurvature, SquaredCurvature
from tests.conftest import MakeSplit


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def noisy_labels(activations: torch.Tensor, n_labels: int, noise: float = 1.0) -> torch.Tensor:
    truth = random(activations.shape[1], n_labels, seed=1) / activations.shape[1] ** 0.5
    return (activations @ truth + noise * random(len(activations), n_labels, seed=2)).argmax(1)


def fit(l1: float, l2: float, **settings: object) -> ExactFit:
    return ExactFit(l1=l1, l2=l2, **{"block_size": 500, **settings})  # type: ignore[arg-type]


def residual(probe: Probe, train: Split, weights: torch.Tensor | None = None) -> float:
    """The largest violation of the optimum's conditions, in numpy and float64."""
    mean, deviation = (part.double().numpy() for part in train.standardisation)
    own = np.arange(len(mean)) if probe.neurons is None else probe.neurons.numpy()
    z = ((train.batch(torch.arange(len(train))).activations.double().numpy() - mean) / deviation)[:, own]
    theta = probe.trained_weights.double().numpy()
    bias = probe.bias.double().numpy() + probe.weights.double().numpy() @ mean[own]
    outputs = z @ theta.T + bias
    shares = np.exp(outputs - outputs.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    shares[np.arange(len(z)), train.units.labels.numpy()] -= 1
    shares *= (1.0 if weights is None else weights.double().numpy()[:, None]) / len(z)
    slope = shares.T @ z + 2 * probe.l2 * theta
    resting, moving = np.maximum(np.abs(slope) - probe.l1, 0), np.abs(slope + probe.l1 * np.sign(theta))
    return float(max(np.where(theta == 0, resting, moving).max(), np.abs(shares.sum(0)).max()))


def duplicated() -> tuple[torch.Tensor, torch.Tensor]:
    activations = random(500, 20)
    activations[:, 3], activations[:, 10:15] = 2.5, activations[:, 5:10]
    return activations, noisy_labels(activations, 4)


def separable() -> tuple[torch.Tensor, torch.Tensor]:
    activations = random(300, 12)
    return activations, noisy_labels(activations, 3, noise=0.0)


def wide() -> tuple[torch.Tensor, torch.Tensor]:
    activations = random(60, 200)
    return activations, noisy_labels(activations, 3)


def one_word() -> tuple[torch.Tensor, torch.Tensor]:
    activations = random(400, 15)
    labels = noisy_labels(activations, 3)
    labels[7] = 3
    return activations, labels


def many_labels() -> tuple[torch.Tensor, torch.Tensor]:
    activations = random(800, 5)
    return activations, torch.cat([torch.arange(500), noisy_labels(activations[500:], 500)])


CASES = {
    "duplicate and constant columns": (duplicated, 3e-3, 1e-3),
    "duplicates without λ2": (duplicated, 3e-3, 0.0),
    "separable": (separable, 1e-3, 1e-4),
    "separable without λ2": (separable, 3e-3, 0.0),
    "fewer words than neurons": (wide, 1e-2, 1e-3),
    "without λ1": (one_word, 0.0, 1e-3),
    "a label with one word": (one_word, 1e-3, 1e-3),
    "500 labels": (many_labels, 3e-3, 1e-2),
}


@pytest.mark.parametrize(
    ("case", "precision"), [*((case, "32-true") for case in CASES), *((case, "64-true") for case in list(CASES)[:-1])]
)
def test_hard_problems_come_to_their_optimum(
    make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch, case: str, precision: str
) -> None:
    make, l1, l2 = CASES[case]
    activations, labels = make()
    train = make_split(activations, labels)
    (newton,) = fit(l1, l2, precision=precision)([Member(l1, l2)], train)
    assert newton.optimality is not None and newton.optimality.converged
    assert residual(newton, train) < 3e-6
    monkeypatch.setattr(proximal_newton, "DENSE", 0.0)
    if case != "500 labels":
        (fista,) = fit(l1, l2, precision=precision)([Member(l1, l2)], train)
        assert newton.optimality.objective == pytest.approx(fista.optimality.objective, abs=1e-5)


def test_constant_columns_have_no_weight(make_split: MakeSplit) -> None:
    (probe,) = fit(3e-3, 0.0)([Member(3e-3, 0.0)], make_split(*duplicated()))
    assert (probe.weights[:, 3] == 0).all() and (probe.weights != 0).any()


def test_labels_that_a_resample_lacks_stay_out(make_split: MakeSplit) -> None:
    activations, labels = one_word()
    weights = torch.rand(400, generator=torch.Generator().manual_seed(4))
    weights[labels == 3] = 0
    weights = weights / weights.mean()
    train = make_split(activations, labels)
    for precision, tolerance in (("32-true", 1e-6), ("64-true", 1e-9)):
        settings = fit(1e-3, 1e-3, precision=precision, tolerance=tolerance)
        (probe,) = settings([Member(1e-3, 1e-3, weights=weights)], train)
        assert probe.optimality.converged and residual(probe, train, weights) < 3 * tolerance
        assert (probe.weights[3] == 0).all() and probe.bias[3] < -20


def test_a_ridge_probe_equals_scikit_learns(make_split: MakeSplit) -> None:
    activations, labels = one_word()
    train = make_split(activations, labels)
    (probe,) = fit(0.0, 1e-2, precision="64-true", tolerance=1e-8)([Member(0.0, 1e-2)], train)
    mean, deviation = train.standardisation
    witness = LogisticRegression(C=1 / (400 * 2 * 1e-2), solver="lbfgs", tol=1e-10, max_iter=2000)
    witness.fit(((activations.double() - mean) / deviation).numpy(), labels.numpy())
    np.testing.assert_allclose(probe.trained_weights.numpy(), witness.coef_, atol=1e-5)


@pytest.mark.parametrize("dense", [250.0, 0.0])
def test_a_tolerance_below_that_of_float32_is_reached(
    make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch, dense: float
) -> None:
    monkeypatch.setattr(proximal_newton, "DENSE", dense)
    train = make_split(*duplicated())
    (probe,) = fit(3e-3, 1e-2, tolerance=1e-7)([Member(3e-3, 1e-2)], train)
    assert probe.optimality.converged and probe.weights.dtype == torch.float32
    assert residual(probe, train) < 3e-7


def bank_after(members: list[Member], train: Split, passes: int) -> ExactBank:
    bank = fit(1e-3, 1e-3).bank(members, train)
    quiet_trainer(passes).fit(bank, datamodule=_TrainOnly(train, 500, None))
    return bank


def test_dense_members_and_the_rest_of_their_path_go_on_with_fista(make_split: MakeSplit) -> None:
    activations = random(700, 300)
    train = make_split(activations, noisy_labels(activations, 3))
    members = [Member(1e-5, 1e-2), Member(2e-5, 1e-2), Member(0.1, 1e-2)]
    bank = bank_after(members, train, 6)
    assert [type(descent) for descent in bank.paths.descents.values()] == [ProximalNewton]
    bank = bank_after(members, train, 40)
    assert bank.paths.reached[2].converged and [type(d) for d in bank.paths.descents.values()] == [Fista]


def test_a_random_start_is_a_few_weights_of_each_label_which_newton_takes_to_the_same_optimum(
    make_split: MakeSplit,
) -> None:
    activations = random(700, 300)
    train = make_split(activations, noisy_labels(activations, 3))
    fitted, kinds, step = fit(3e-2, 1e-2, start="random"), [], RegularisationPaths.step
    bank = fitted.bank([Member(3e-2, 1e-2, seed=1), Member(3e-2, 1e-2, seed=2)], train)
    one, other = bank.weights[0]
    assert ((one != 0).sum(1) == 6).all() and (one < 0).any() and (one > 0).any() and one.abs().max() <= 6**-0.5
    assert ((one != 0) & (other != 0)).sum() < 6 and ((one != 0).sum(0) == 3).sum() < 2
    (alone,) = fitted.bank([Member(3e-2, 1e-2, 2)], train).weights[0]
    beside = fitted.bank([Member(1.0, 1.0, 1, torch.arange(99)), Member(3e-2, 1e-2, 2), Member(1.0, 1.0, 1)], train)
    assert torch.equal(other, alone) and torch.equal(beside.weights[1][0], alone)

    def watched(paths: RegularisationPaths, *arguments: object) -> object:
        kinds.extend(type(descent) for descent in paths.descents.values())
        return step(paths, *arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RegularisationPaths, "step", watched)
        quiet_trainer(3000).fit(bank, datamodule=_TrainOnly(train, 500, None))
    drawn, (cold,) = fitted.trained(bank, train), fit(3e-2, 1e-2)([Member(3e-2, 1e-2)], train)
    assert set(kinds) == {ProximalNewton} and len(kinds) < 60
    for probe in drawn:
        torch.testing.assert_close(probe.trained_weights, cold.trained_weights, atol=1e-5, rtol=0)
    wide = make_split(random(50, 9000), torch.arange(50) % 3)
    (start,) = fitted.bank([Member(3e-2, 1e-2, 1)], wide).weights[0]
    assert ((start != 0).sum(1) == 40).all()


def test_a_model_that_is_made_again_is_the_same(make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch) -> None:
    train = make_split(*duplicated())
    (kept,) = fit(1e-3, 1e-3)([Member(1e-3, 1e-3)], train)
    monkeypatch.setattr("neuronprobe.probes.exact_bank.MOST_MODELS", 0)
    (again,) = fit(1e-3, 1e-3)([Member(1e-3, 1e-3)], train)
    assert torch.equal(kept.weights, again.weights)


def test_models_that_are_kept_between_passes_have_no_more_numbers_than_they_may(
    make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, seen, step = make_split(*one_word()), [], RegularisationPaths.step

    def watched(paths: RegularisationPaths, *arguments: object) -> object:
        found = step(paths, *arguments)  # type: ignore[arg-type]
        seen.append([getattr(descent, "size", 0) for descent in paths.descents.values()])
        return found

    monkeypatch.setattr(RegularisationPaths, "step", watched)
    members = [Member(1e-3, l2) for l2 in (1e-3, 2e-3, 5e-3)]
    for most in (9_000, 0, 1 << 28):
        monkeypatch.setattr("neuronprobe.probes.exact_bank.MOST_MODELS", most)
        seen.clear()
        assert all(probe.optimality.converged for probe in fit(1e-3, 1e-3)(members, train))
        assert max(map(sum, seen)) <= most
        assert (max(map(sum, seen)) > 0) == (most > 0)


def test_working_sets_whose_gram_matrices_would_not_fit_are_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = torch.ones(3, 10, dtype=torch.bool)
    assert not is_dense(inside)
    monkeypatch.setattr(proximal_newton, "MOST_GRAMS", 299)
    assert is_dense(inside)


def test_newton_needs_few_passes(make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch) -> None:
    train, passes = make_split(*duplicated()), []
    for dense in (250.0, 0.0):
        monkeypatch.setattr(proximal_newton, "DENSE", dense)
        bank = fit(1e-3, 1e-3).bank([Member(1e-3, 1e-3)], train)
        trainer = quiet_trainer(3000)
        trainer.fit(bank, datamodule=_TrainOnly(train, 500, None))
        passes.append(trainer.current_epoch)
    assert passes[0] < 25 < passes[1] / 3


def test_sets_are_dense_by_their_mean_square_against_the_columns_that_they_share() -> None:
    inside = torch.zeros(2, 2000, dtype=torch.bool)
    inside[:, :200] = True
    assert not is_dense(inside)
    inside[:, :251] = True
    assert is_dense(inside)


def test_working_sets_are_what_is_used_and_the_worst_violators() -> None:
    point = torch.zeros(2, 102).double()
    point[0, [5, 50]] = 1.0
    violations = torch.rand(2, 102, generator=torch.Generator().manual_seed(0)).double()
    violations[1, :99] = 0
    inside = working_sets(point, violations)
    assert inside[0, [5, 50]].all() and inside.sum(1).tolist() == [42, 2]
    rest = violations[0, :-1].clone()
    rest[[5, 50]] = 0
    assert inside[0, rest.topk(40).indices].all()


def whole_hessian(l2: float) -> tuple[SampledHessian, torch.Tensor, torch.Tensor, torch.Tensor]:
    activations, counts, point = random(6, 50, seed=5), torch.rand(50) / 50, random(3, 7, seed=6)
    inside = torch.ones(3, 6, dtype=torch.bool)
    inside[0, 2] = inside[2, 5] = False
    return SampledHessian(activations, counts, inside, l2, SoftmaxCurvature, point), activations, counts, point


def test_products_with_the_hessian_equal_autograds() -> None:
    hessian, activations, counts, point = whole_hessian(0.01)
    way = random(3, 7, seed=7) * hessian.mask

    def loss(block: torch.Tensor) -> torch.Tensor:
        outputs = block[:, :-1] @ activations + block[:, -1:]
        return (outputs.logsumexp(0) * counts).sum() + 0.01 * block[:, :-1].square().sum()

    _, product = torch.autograd.functional.hvp(loss, point, way)
    torch.testing.assert_close(hessian.times(way), product * hessian.mask)


def test_a_sampled_hessian_equals_the_whole_one_on_average() -> None:
    activations, point, inside = random(4, 600, seed=8), random(3, 5, seed=9), torch.ones(3, 4, dtype=torch.bool)
    weights = torch.rand(600, generator=torch.Generator().manual_seed(1)) * 2
    shares = (point[:, :-1] @ activations + point[:, -1:]).softmax(0)
    curvatures = weights * (shares * (1 - shares)).sum(0)
    reader = Reader(lambda units, columns: activations[columns][:, units], weights, curvatures, SoftmaxCurvature)
    way, found = random(3, 5, seed=10), []
    for seed in range(300):
        units, counts = sample(reader, 120, seed)
        found.append(SampledHessian(activations[:, units], counts, inside, 0.0, SoftmaxCurvature, point).times(way))
        assert 80 < len(units) < 160
    whole = SampledHessian(activations, weights / 600, inside, 0.0, SoftmaxCurvature, point).times(way)
    torch.testing.assert_close(torch.stack(found).mean(0), whole, rtol=0.03, atol=0.01)


@pytest.mark.parametrize("accelerated", [25, 0])
def test_the_lasso_on_a_gram_matrix_equals_scikit_learns(monkeypatch: pytest.MonkeyPatch, accelerated: int) -> None:
    """Also with Newton steps alone, which come to the optimum of this one."""
    monkeypatch.setattr(semismooth_newton, "MOST_ACCELERATED", accelerated)
    rows, target = random(80, 25, seed=11).double(), random(80, seed=12).double()
    witness = Lasso(alpha=0.05, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(rows.numpy(), target.numpy())
    gram, gradient = rows.T @ rows / 80, -(rows.T @ target) / 80
    for start in (torch.zeros(25).double(), random(25, seed=13).double()):
        l1, bound = torch.full((1, 25), 0.05).double(), torch.tensor([1e-10]).double()
        found = start + lasso(gram[None], (gradient + gram @ start)[None], start[None], l1, bound)[0]
        np.testing.assert_allclose(found.numpy(), witness.coef_, atol=1e-8)
        assert ((found == 0).numpy() == (witness.coef_ == 0)).all()


@pytest.mark.parametrize("is_near", [False, True])
def test_the_model_is_solved_with_all_labels_coupled(is_near: bool) -> None:
    hessian, *_, point = whole_hessian(0.05)
    gradient = 0.1 * random(3, 7, seed=14)
    gradient[:, -1] -= gradient[:, -1].mean()
    start, l1 = point * hessian.mask, torch.tensor([0.02] * 6 + [0.0])
    problem = Problem(hessian, start, gradient * hessian.mask, l1)
    way = solve(problem, 1e-4, is_near)
    for _ in range(8):
        start, slope = problem.start + way, problem.gradient + hessian.times(way)
        further = solve(problem._replace(start=start, gradient=slope), 1e-4, is_near)
        way = torch.where(start + further == 0, -problem.start, way + further)
    product = hessian.times(way)
    best = problem.value(way, product)
    for seed in range(200):
        other = way + 10.0 ** -(seed % 4) * random(3, 7, seed=100 + seed) * hessian.mask
        assert problem.value(other, hessian.times(other)) > best - 1e-6


@pytest.mark.parametrize("kind", [SoftmaxCurvature, SquaredCurvature])
def test_excess_and_slopes_are_those_of_the_potential(kind: type[Curvature]) -> None:
    n = 4 if kind is SoftmaxCurvature else 1
    outputs, way = random(n, 30, seed=20).double(), 3 * random(n, 30, seed=21).double()

    def potential(at: torch.Tensor) -> torch.Tensor:
        return at.logsumexp(0) if kind is SoftmaxCurvature else at[0].square() / 2

    here = kind(outputs)  # type: ignore[call-arg]
    slopes = torch.autograd.functional.jacobian(lambda at: potential(at).sum(), outputs)
    torch.testing.assert_close(here.slopes, slopes)
    expected = potential(outputs + way) - potential(outputs) - (slopes * way).sum(0)
    torch.testing.assert_close(here.excess(way), expected)


def test_the_sampled_loss_goes_on_as_its_gradient_says() -> None:
    hessian, activations, counts, point = whole_hessian(0.01)
    start = (point * hessian.mask).requires_grad_()
    way = random(3, 7, seed=22) * hessian.mask

    def loss(block: torch.Tensor) -> torch.Tensor:
        outputs = block[:, :-1] @ activations + block[:, -1:]
        return (outputs.logsumexp(0) * counts).sum() + 0.01 * block[:, :-1].square().sum()

    hessian.move_to(start.detach())
    before = hessian.curvature
    (gradient,) = torch.autograd.grad(loss(start), start)
    end = (start + way).detach().requires_grad_()
    above = loss(end) - loss(start) - (gradient * way).sum()
    assert hessian.excess(before, way, hessian.outputs(way)) == pytest.approx(float(above.detach()), rel=1e-4)
    hessian.move_to(end.detach())
    expected = torch.autograd.grad(loss(end), end)[0] - gradient
    torch.testing.assert_close(hessian.gained(before, way), expected * hessian.mask, rtol=1e-4, atol=1e-5)


def test_a_hessian_agrees_with_the_ways_that_it_learnt_and_stays_positive() -> None:
    hessian, *_ = whole_hessian(0.05)
    truth = random(21, 21, seed=23)
    truth = truth @ truth.T / 21 + torch.eye(21)

    def true_times(way: torch.Tensor) -> torch.Tensor:
        return (truth @ way.flatten()).view(3, 7) * hessian.mask

    ways = [random(3, 7, seed=24 + n) * hessian.mask for n in range(3)]
    for way in ways:
        hessian.learn(way, true_times(way))
        torch.testing.assert_close(hessian.times(way), true_times(way), rtol=1e-4, atol=1e-4)
    for seed in range(50):
        other = random(3, 7, seed=50 + seed) * hessian.mask
        assert float((other * hessian.times(other)).sum()) > 0
    learnt = hessian.times(ways[0])
    hessian.learn(ways[1], -true_times(ways[1]))  # what no convex loss does
    torch.testing.assert_close(hessian.times(ways[0]), learnt)


FAR = random(8, 400, seed=30)
FAR_LABELS = noisy_labels(FAR.T, 3, noise=0.3)
FAR_L1 = torch.tensor([5e-3] * 8 + [0.0])


def smooth(block: torch.Tensor) -> torch.Tensor:
    outputs = block[:, :-1] @ FAR + block[:, -1:]
    return torch.nn.functional.cross_entropy(outputs.T, FAR_LABELS) + 1e-2 * block[:, :-1].square().sum()


def objective(block: torch.Tensor) -> float:
    return float(smooth(block) + (FAR_L1 * block.abs()).sum())


def whole_problem(start: torch.Tensor) -> Problem:
    """All units are the sample: the sampled loss is the loss."""
    counts, inside = torch.full((400,), 1 / 400), torch.ones(3, 8, dtype=torch.bool)
    hessian = SampledHessian(FAR, counts, inside, 1e-2, SoftmaxCurvature, start)
    at = start.clone().requires_grad_()
    return Problem(hessian, start, torch.autograd.grad(smooth(at), at)[0], FAR_L1)


@pytest.mark.parametrize("scale", [0.5, 2.0, 8.0])
def test_far_from_the_optimum_the_sampled_loss_comes_nearer_than_one_quadratic(scale: float) -> None:
    start = scale * random(3, 9, seed=31)
    once, point = objective(start + solve(whole_problem(start), 1e-6)), start + descend(whole_problem(start), 1e-6)
    assert objective(point) < min(objective(start), once) - 0.1
    assert scale != 2.0 or once > objective(start)  # of one quadratic a part could have been taken only
    for _ in range(12):
        way = descend(whole_problem(point), 1e-7)
        point = torch.where(point + way == 0, 0.0, point + way)
    best = objective(point)
    for seed in range(100):
        assert objective(point + 10.0 ** -(seed % 4) * random(3, 9, seed=200 + seed)) > best - 1e-6


def test_a_label_without_curvature_does_not_hold_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """One label's outputs are so low that its Newton step is astronomic: it alone is shortened."""
    found, start = [], 0.1 * random(3, 9, seed=31)
    start[2, -1] = -15.0
    monkeypatch.setattr(sampled_loss, "ROUNDS", 1)
    for farthest in (3.0, 1e9):
        monkeypatch.setattr(sampled_loss, "FARTHEST", farthest)
        found.append(objective(start + descend(whole_problem(start), 1e-6)))
    assert found[0] < min(found[1], objective(start)) - 0.01


def test_where_no_step_lowers_the_sampled_loss_one_is_left_that_a_quadratic_model_holds_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = 0.1 * random(3, 9, seed=31)
    start[2, -1] = -15.0
    monkeypatch.setattr(SampledHessian, "excess", lambda *_: torch.inf)
    changes = whole_problem(start).hessian.outputs(descend(whole_problem(start), 1e-6)).abs().amax(1)
    assert (changes > 0).all() and float(changes.max()) == pytest.approx(3.0, rel=1e-4)


def test_a_model_without_curvature_ends_conjugate_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    start = random(3, 9, seed=31)
    problem = whole_problem(start)
    monkeypatch.setattr(SampledHessian, "times", lambda _, way: 0 * way)
    assert float(solve(problem, 1e-6, is_near=True).abs().max()) < 10


@pytest.mark.parametrize("is_rounded", [True, False])
def test_products_of_a_panel_equal_those_of_its_activations(is_rounded: bool) -> None:
    activations, weights, slopes = random(300, 700, seed=40), random(5, 300, seed=41), random(5, 700, seed=42)
    one = Panel(activations, is_rounded)
    for product, expected in (
        (one.outputs(weights), weights @ activations), (one.gathered(slopes), slopes @ activations.T)
    ):  # fmt: skip
        assert product.dtype == torch.float32 and product.shape == expected.shape
        error = float((product - expected).norm() / expected.norm())
        assert error < (0.01 if is_rounded else 1e-6) and (error > 1e-4) == is_rounded
    assert one.size == (384 * 1024 // 2 if is_rounded else 300 * 700)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "aarch64"}, False),
    ],
)
def test_models_are_rounded_where_that_is_fast(
    known: dict[str, object], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    assert panel.is_fast_rounded(torch.device("cpu")) is expected
    assert panel.is_fast_rounded(torch.device("cuda")) is False


def test_the_optimum_is_reached_with_models_that_are_rounded(
    make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    activations = random(900, 60, seed=43)
    train, found = make_split(activations, noisy_labels(activations, 4)), []
    for wide in (0, 10_000):
        monkeypatch.setattr(panel, "WIDE", wide)
        monkeypatch.setattr(panel, "is_fast_rounded", lambda device: True)
        (probe,) = fit(5e-3, 1e-3, tolerance=1e-7)([Member(5e-3, 1e-3)], train)
        assert probe.optimality.converged and residual(probe, train) < 3e-7
        found.append(probe.trained_weights)
    torch.testing.assert_close(*found, rtol=0, atol=5e-5)
