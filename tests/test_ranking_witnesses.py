"""Rankings against outside witnesses: scikit-learn, autograd, theorems, and their papers' formulas written out."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, spearmanr
from sklearn.feature_selection import RFE, f_classif, f_regression, mutual_info_classif, mutual_info_regression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score, jaccard_score, mutual_info_score

from neuronprobe import rankings
from neuronprobe.activations import Split
from neuronprobe.errors import InputError
from neuronprobe.probes import ExactFit, Fit, Member, Probe
from neuronprobe.probes.solvers.group_lasso import GroupLasso, lengths, path
from neuronprobe.rankings import Evidence
from neuronprobe.rankings.average_precision import average_precisions
from neuronprobe.rankings.gaussian import GaussianProbe
from neuronprobe.rankings.greedy import normalised_information
from neuronprobe.rankings.iou import upper_quantile
from neuronprobe.rankings.last import Last
from neuronprobe.rankings.latent_subset import MaskedProbe, Objective, masked_probe
from neuronprobe.rankings.moments import moments
from neuronprobe.rankings.mutual_information import equal_bins
from neuronprobe.types import Ranking
from tests.conftest import MakeSplit

FIT = Fit(1e-3, 1e-4, epochs=3, batch_size=128, lr=0.01)
EXACT = ExactFit(1e-3, 1e-3, standardise="none", tolerance=1e-7)


@pytest.fixture
def split(make_split: MakeSplit) -> Split:
    """600 units, 12 neurons that tell 4 labels more or less; values repeat, as those of a coarse store do."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.multinomial(torch.tensor([0.5, 0.3, 0.15, 0.05]), 600, replacement=True, generator=generator)
    told = torch.randn(4, 12, generator=generator) * torch.linspace(0.1, 1.5, 12)
    activations = (torch.randn(600, 12, generator=generator) + told[labels]).mul(8).round().div(8)
    return make_split(activations, labels, layers=3, n_labels=4)


def evidence(split: Split, fit: Fit = FIT, **own: object) -> Evidence:
    return replace(Evidence(split, split, fit, 0), **own)  # type: ignore[arg-type]


def arrays(split: Split) -> tuple[np.ndarray, np.ndarray]:
    return split.batch(torch.arange(len(split))).activations.double().numpy(), split.units.labels.numpy()


def test_f_is_scikit_learns_for_all_labels_and_for_one_against_the_rest(split: Split) -> None:
    x, y = arrays(split)
    found = rankings.f_statistic(evidence(split))
    np.testing.assert_allclose(found.score, f_classif(x, y)[0], rtol=1e-9)
    for label in range(4):
        order = found.by_label[label].argsort(stable=True).tolist()
        assert order == np.argsort(-f_classif(x, y == label)[0], kind="stable").tolist()


def test_f_of_values_is_that_of_scikit_learns_regression(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(300, 6, generator=generator)
    values = x @ torch.tensor([0.0, 1.0, 0.5, 0.2, 0.0, -2.0]) + torch.randn(300, generator=generator)
    split = make_split(x, values)
    found = rankings.f_statistic(evidence(split))
    np.testing.assert_allclose(found.score, f_regression(x.double().numpy(), values.double().numpy())[0], rtol=1e-4)
    by_neighbours = mutual_info_regression(x.numpy(), values.numpy(), random_state=0)
    found = rankings.mutual_information(evidence(split))
    assert found.order[:2].tolist() == np.argsort(-by_neighbours)[:2].tolist() == [5, 1]


def test_a_neuron_that_is_the_label_has_the_largest_f(make_split: MakeSplit) -> None:
    labels = torch.arange(90) % 3
    noise = torch.randn(90, generator=torch.Generator().manual_seed(0))
    found = rankings.f_statistic(evidence(make_split(torch.stack([noise, 0.1 * labels], 1), labels)))
    assert found.order.tolist() == [1, 0] and bool(found.score.isfinite().all())


def test_average_precision_is_scikit_learns_signed_and_unsigned_with_ties_weights_and_threshold(split: Split) -> None:
    x, y = arrays(split)
    weights = torch.rand(600, generator=torch.Generator().manual_seed(1))
    for signed, threshold, own in ((True, 0.0, None), (False, 0.0, weights), (True, 0.5, weights)):
        found = rankings.average_precision(evidence(split, weights=own), signed=signed, threshold=threshold)
        values = np.where(np.abs(x) > threshold, x, 0)
        witness = np.array([
            [max(average_precision_score(y == c, sign * column, sample_weight=own) for sign in (1, -1)[: 2 - signed])
             for column in values.T] for c in range(4)
        ])  # fmt: skip
        np.testing.assert_allclose(found.score, witness.mean(0), rtol=1e-6)
        chance = np.bincount(y, own, 4) / (600 if own is None else float(own.sum()))
        for label, depth in enumerate(found.by_label):
            above = np.maximum(witness[label] - chance[label], 0)
            assert depth.argsort(stable=True)[:3].tolist() == np.argsort(-above, kind="stable")[:3].tolist()


def test_average_precision_of_equal_values_is_chance() -> None:
    labels, weights = np.array([0, 1, 1, 2]), np.array([1.0, 2.0, 1.0, 0.0])
    found = average_precisions(np.zeros(4, np.float32), labels, weights, 4)
    assert found == pytest.approx([0.25, 0.75, 0, 0])


def test_average_precision_of_more_labels_than_an_int16_counts() -> None:
    values, labels = np.arange(6, dtype=np.float32), np.array([0, 65_536, 0, 65_536, 65_536, 0])
    found = average_precisions(values, labels, np.ones(6), 65_537)
    assert found[65_536] == pytest.approx(average_precision_score(labels > 0, values))


def test_a_member_of_the_vote_must_be_a_ranking_too(split: Split) -> None:
    def odd(evidence: Evidence) -> Ranking:
        n = len(evidence.table)
        return Ranking("odd", torch.zeros(n).long(), torch.zeros(n), n, torch.ones(4, n))

    def plain(evidence: Evidence) -> Ranking:
        return Ranking.from_scores("plain", torch.arange(12.0))

    evidence = Evidence(split, split, FIT, 0)
    with pytest.raises(InputError, match="order each of 12 neurons once"):
        rankings.borda(evidence, {"odd": odd})
    assert rankings.borda(evidence, {"plain": plain, "variance": rankings.variance}).earned == 12


def test_mutual_information_of_bins_is_scikit_learns_and_agrees_with_its_estimate_by_neighbours(split: Split) -> None:
    x, y = arrays(split)
    found = rankings.mutual_information(evidence(split), bins=8)
    bins = np.stack([equal_bins(column.astype(np.float32), np.ones(600), 8) for column in x.T], 1)
    in_bits = [mutual_info_score(y, own) / math.log(2) for own in bins.T]
    np.testing.assert_allclose(found.score, in_bits, rtol=1e-9)
    for label, depth in enumerate(found.by_label):
        own = [mutual_info_score(y == label, column) for column in bins.T]
        assert depth.argsort(stable=True).tolist() == np.argsort(own, kind="stable")[::-1].tolist()
    by_neighbours = mutual_info_classif(x, y, random_state=0)
    assert spearmanr(found.score, by_neighbours).statistic > 0.85


def test_bins_have_equal_weight_where_values_differ() -> None:
    values = np.random.default_rng(0).permutation(80).astype(np.float32)
    assert np.bincount(equal_bins(values, np.ones(80), 8)).tolist() == [10] * 8
    assert equal_bins(np.array([3, 3, 3, 9], np.float32), np.ones(4), 4).tolist() == [0, 0, 0, 3]


def test_iou_is_scikit_learns_jaccard_at_the_upper_quantile_and_at_a_threshold(split: Split) -> None:
    x, y = arrays(split)
    for settings in ({"quantile": 0.05}, {"quantile": None, "threshold": 0.25}):
        found = rankings.iou(evidence(split), **settings)
        limits = [settings.get("threshold") or np.sort(column)[::-1][30] for column in x.T]
        witness = [max(jaccard_score(y == c, column > limit) for c in range(4))
                   for column, limit in zip(x.T, limits, strict=True)]  # fmt: skip
        np.testing.assert_allclose(found.score, witness, rtol=1e-12)


def test_the_upper_quantile_leaves_at_most_its_share_above() -> None:
    values = np.random.default_rng(1).permutation(1000).astype(np.float32)
    assert upper_quantile(values, np.ones(1000), 0.005) == 994
    weights = np.where(values >= 990, 0.5, 1.0)
    assert weights[values > upper_quantile(values, weights, 0.005)].sum() <= 0.005 * weights.sum() < 5.5


def test_mean_difference_and_mean_select_are_the_papers_formulas(split: Split) -> None:
    x, y = arrays(split)
    apart = np.stack([np.abs(x[y == c].mean(0) - x[y != c].mean(0)) for c in range(4)])
    np.testing.assert_allclose(rankings.mean_difference(evidence(split)).score, apart.mean(0), rtol=1e-9)
    select = apart / (x.max(0) - x.min(0))
    np.testing.assert_allclose(rankings.mean_select(evidence(split)).score, select.mean(0), rtol=1e-9)


def test_variance_and_scaled_magnitude_are_numpys(split: Split) -> None:
    x, _ = arrays(split)
    np.testing.assert_allclose(rankings.variance(evidence(split)).score, x.var(0), rtol=1e-9)
    weights = torch.randn(4, 12, generator=torch.Generator().manual_seed(4))
    for probe in (Probe(weights, torch.zeros(4)), Probe(weights, torch.zeros(4), deviation=torch.full((12,), 7.0))):
        found = rankings.scaled_magnitude(evidence(split, probe=probe))
        np.testing.assert_allclose(found.score, (weights.double().abs().numpy() * x.std(0)).mean(0), rtol=1e-6)


def test_single_neuron_is_scikit_learns_balanced_accuracy_of_the_neuron_above_trains_mean(
    split: Split, make_split: MakeSplit
) -> None:
    x, y = arrays(split)
    dev = make_split(torch.tensor(x[:200]).float() + 0.1, torch.tensor(y[:200]), layers=3, n_labels=4)
    found = rankings.single_neuron(evidence(split, dev=dev))
    held, above = arrays(dev)[1], arrays(dev)[0] > x.mean(0)
    witness = [[abs(balanced_accuracy_score(held == c, column) - 0.5) for column in above.T] for c in range(4)]
    np.testing.assert_allclose(found.score, np.mean(witness, 0), rtol=1e-9)


def test_gradient_activation_is_autograds(split: Split) -> None:
    generator = torch.Generator().manual_seed(5)
    probe = Probe(torch.randn(4, 12, generator=generator), torch.randn(4, generator=generator))
    x = split.batch(torch.arange(600)).activations.double().requires_grad_()
    outputs = x @ probe.weights.double().T + probe.bias.double()
    outputs.log_softmax(1)[torch.arange(600), split.units.labels].sum().backward()
    assert x.grad is not None
    witness = (x * x.grad).abs().detach()
    found = rankings.gradient_activation(evidence(split, probe=probe))
    torch.testing.assert_close(found.score, witness.mean(0))
    for label in range(4):
        own = witness[split.units.labels == label].mean(0)
        assert found.by_label[label].argsort(stable=True).tolist() == own.argsort(descending=True).tolist()


def test_lasso_and_ridge_have_scikit_learns_weights_at_the_optimum(split: Split) -> None:
    x, y = arrays(split)
    for found, settings in (
        (rankings.lasso(evidence(split, EXACT), l1=0.02), {"l1_ratio": 1, "C": 1 / (600 * 0.02), "solver": "saga"}),
        (rankings.ridge(evidence(split, EXACT), l2=0.02), {"C": 1 / (600 * 0.04)}),
    ):
        witness = LogisticRegression(max_iter=20_000, tol=1e-8, **settings).fit(x, y)
        np.testing.assert_allclose(found.score, np.abs(witness.coef_).mean(0), rtol=5e-3, atol=2e-4)
    assert rankings.lasso(evidence(split, EXACT), l1=0.1).earned < 12


def test_recursive_elimination_is_scikit_learns(split: Split) -> None:
    x, y = arrays(split)
    found = rankings.rfe(evidence(split, EXACT), l2=0.02, step=1)
    estimator = LogisticRegression(C=1 / (600 * 0.04), max_iter=5000, tol=1e-8)
    witness = RFE(estimator, n_features_to_select=1, step=1).fit(x, y)
    assert found.order.tolist() == np.argsort(witness.ranking_).tolist()
    assert found.score[found.order].tolist() == list(range(12, 0, -1))


def test_k_sparse_keeps_the_heavier_half_at_every_step(split: Split) -> None:
    found = rankings.k_sparse(evidence(split, EXACT), l2=0.02)
    remaining = torch.arange(12)
    for size in (6, 3, 2, 1):
        (probe,) = EXACT([Member(0.0, 0.02, neurons=remaining)], split)
        remaining = remaining[probe.weights.abs().mean(0).argsort(descending=True)[:size]].sort().values
        assert set(found.order[:size].tolist()) == set(remaining.tolist())


def test_elimination_keeps_what_is_planted_though_it_is_light(make_split: MakeSplit) -> None:
    """Neurons 0 and 1 tell the label by their difference alone; by its own weight either says little."""
    generator = torch.Generator().manual_seed(6)
    labels = torch.randint(2, (800,), generator=generator)
    x = torch.randn(800, 8, generator=generator)
    x[:, 0] += 5 * torch.randn(800, generator=torch.Generator().manual_seed(7))
    x[:, 1] = x[:, 0] + 0.8 * (2 * labels - 1) + 0.3 * torch.randn(800, generator=generator)
    split = make_split(x, labels)
    found = rankings.elimination(evidence(split, EXACT), l2=1e-3, groups=8, step=0.2)
    assert set(found.order[:2].tolist()) == {0, 1} and found.earned == 8


@pytest.fixture
def gaussians() -> tuple[torch.Tensor, torch.Tensor]:
    """Three labels with means and covariances of their own; the last neuron tells nothing."""
    generator = torch.Generator().manual_seed(9)
    labels = torch.randint(3, (900,), generator=generator)
    mixing = torch.randn(3, 6, 6, generator=generator) / 2 + torch.eye(6)
    means = torch.randn(3, 6, generator=generator)
    means[:, 5], mixing[:, 5], mixing[:, :, 5] = 0, 0, 0
    mixing[:, 5, 5] = 1
    x = means[labels] + torch.einsum("nij,nj->ni", mixing[labels], torch.randn(900, 6, generator=generator))
    return x, labels


def test_the_gaussian_probe_has_scipys_densities_for_every_subset(
    gaussians: tuple[torch.Tensor, torch.Tensor],
) -> None:
    x, labels = gaussians
    train, dev = slice(0, 600), slice(600, 900)
    weights = torch.rand(600, generator=torch.Generator().manual_seed(1)) + 0.5
    probe = GaussianProbe(x[train].T, labels[train], weights, torch.arange(3), x[dev].T, labels[dev])
    chosen: list[int] = []
    for candidate in (4, 1, 5, 0):
        found = probe.likelihoods()
        for j in set(range(6)) - set(chosen):
            witness = _likelihood(x, labels, weights, train, dev, [*chosen, j])
            assert float(found[j]) == pytest.approx(witness, abs=2e-4)
        probe.add(candidate)
        chosen.append(candidate)


def _likelihood(
    x: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, train: slice, dev: slice, subset: list[int]
) -> float:
    """Bayes' rule with the posterior mean of a normal-inverse-Wishart prior whose scale is the diagonal covariance."""
    joint = []
    for label in range(3):
        is_own = labels[train] == label
        own, times = x[train][is_own][:, subset].double().numpy(), weights[is_own].double().numpy()
        mean, covariance = np.average(own, 0, times), np.atleast_2d(np.cov(own.T, aweights=times, ddof=0))
        n = times.sum()
        posterior = (n * covariance + np.diag(np.diag(covariance))) / (n + 1)
        density = multivariate_normal(mean, posterior).logpdf(x[dev][:, subset].double().numpy())
        joint.append(np.atleast_1d(density) + math.log(n / float(weights.double().sum())))
    log_joint = torch.tensor(np.stack(joint))
    return float((log_joint.gather(0, labels[dev][None])[0] - log_joint.logsumexp(0)).mean())


def test_greedy_selection_takes_the_best_each_time_and_the_rest_by_what_each_adds(
    gaussians: tuple[torch.Tensor, torch.Tensor], make_split: MakeSplit
) -> None:
    x, labels = gaussians
    train, dev = slice(0, 600), slice(600, 900)
    splits = [make_split(x[part], labels[part]) for part in (train, dev)]
    found = rankings.gaussian(Evidence(*splits, FIT, 0), k=3)
    chosen: list[int] = []
    for _ in range(3):
        likelihood = {j: _likelihood(x, labels, torch.ones(600), train, dev, [*chosen, j])
                      for j in set(range(6)) - set(chosen)}  # fmt: skip
        chosen.append(max(likelihood, key=likelihood.__getitem__))
    assert found.order[:3].tolist() == chosen and found.earned == 6
    entropy = -sum(p * math.log2(p) for p in (torch.bincount(labels[dev]).double() / 300).tolist())
    bits = entropy + likelihood[chosen[2]] / math.log(2)
    assert float(found.score[chosen[2]]) == pytest.approx(bits / entropy, abs=1e-3) and bits / entropy < 1
    rest = {j: _likelihood(x, labels, torch.ones(600), train, dev, [*chosen, j]) for j in set(range(6)) - set(chosen)}
    assert found.order[3:].tolist() == sorted(rest, key=lambda j: -rest[j])


def test_information_is_1_where_all_is_told_and_0_where_nothing_is() -> None:
    labels = torch.tensor([0, 0, 1, 2])
    shares = torch.tensor([0.5, 0.25, 0.25]).double()
    nothing = (shares * shares.log()).sum()
    found = normalised_information(torch.stack([torch.zeros((), dtype=torch.float64), nothing]), labels)
    assert found.tolist() == pytest.approx([1, 0], abs=1e-12)


@pytest.fixture
def group_problem(split: Split) -> GroupLasso:
    x, y = arrays(split)
    z = torch.tensor((x - x.mean(0)) / x.std(0)).float().T
    return GroupLasso.of(z, torch.nn.functional.one_hot(torch.tensor(y), 4).float().T, torch.ones(600))


def test_the_group_lasso_is_at_its_optimum_and_empty_at_the_largest_penalty(group_problem: GroupLasso) -> None:
    """Its conditions: a neuron that is in has gradient −λ θ/‖θ‖, one that is out a gradient no longer than λ."""
    shares = [1.001, 0.5, 0.2, 0.1, 0.05]
    for share, (found, is_solved) in zip(shares, path(group_problem, shares, 1000, 1e-3), strict=True):
        penalty = share * group_problem.largest
        gradient, length = group_problem.gradient(found), lengths(found)
        assert is_solved and float(gradient[:, -1].abs().max()) < 1.1e-3 * penalty
        inside = (gradient[:, :-1] + penalty * found[:, :-1] / length.clamp_min(1e-9))[:, length > 0]
        assert float(inside.norm(dim=0).max() if len(inside.T) else 0) < 1.1e-3 * penalty
        assert bool((lengths(gradient)[length == 0] <= penalty * 1.0011).all())
        assert (length > 0).any() == (share < 1)


def test_what_is_passed_over_by_the_strong_rule_comes_in_where_it_belongs(group_problem: GroupLasso) -> None:
    """One step from λ_max to a twentieth: the rule passes nothing over; from there on each λ for itself is the same."""
    shares = [0.9, 0.3, 0.1, 0.05]
    together = [found for found, _ in path(group_problem, shares, 3000, 1e-3)]
    for share, found in zip(shares, together, strict=True):
        ((alone, _),) = path(group_problem, [share], 3000, 1e-3)
        np.testing.assert_allclose(lengths(found), lengths(alone), atol=3e-3)
        assert torch.equal(lengths(found) > 0, lengths(alone) > 0)


def test_where_no_neuron_says_anything_none_comes_in(group_problem: GroupLasso) -> None:
    nothing = GroupLasso.of(torch.zeros(12, 600), group_problem.labels, group_problem.weights)
    for found, is_solved in path(nothing, [0.5, 0.1], 3, 1e-2):
        assert is_solved and not bool((lengths(found) > 0).any())


def test_a_path_that_is_cut_short_says_so(
    group_problem: GroupLasso, split: Split, caplog: pytest.LogCaptureFixture
) -> None:
    assert [is_solved for _, is_solved in path(group_problem, [0.5, 0.05], 2, 1e-3)] == [False, False]
    rankings.group_lasso(Evidence(split, split, FIT, 0))
    assert not caplog.text
    rankings.group_lasso(Evidence(split, split, FIT, 0), passes=2)
    assert "of 19 λ did not come to their optimum in 2 passes; raise ranking.group_lasso.passes" in caplog.text


def test_the_group_lasso_has_the_weights_of_the_published_solver(group_problem: GroupLasso) -> None:
    """Lengths of the neurons' weights by adelie 1.1.52 at half and a tenth of λ_max (`benchmarks/group_lasso.py`)."""
    witness = {
        0.5: [0, 0, 0, 0, 0, 0, 0.1926, 0.0195, 0, 0.7941, 0.1403, 0],
        0.1: [0, 0, 0, 0.1048, 0, 0.1146, 1.1202, 0.4674, 0.1016, 1.8694, 0.9806, 0.3533],
    }
    for (found, _), expected in zip(path(group_problem, [*witness], 3000, 1e-3), witness.values(), strict=True):
        np.testing.assert_allclose(lengths(found), expected, atol=3e-3)
        assert (lengths(found) > 0).tolist() == [length > 0 for length in expected]


def test_a_longer_solution_of_the_group_lasso_is_no_better(group_problem: GroupLasso) -> None:
    penalty = 0.1 * group_problem.largest

    def objective(at: torch.Tensor) -> float:
        outputs = (at[:, :-1] @ group_problem.activations + at[:, -1:]).T
        loss = torch.nn.functional.cross_entropy(outputs, group_problem.labels.argmax(0))
        return float(loss + penalty * lengths(at).sum())

    ((found, _),) = path(group_problem, [0.1], 3000, 1e-3)
    for seed in range(10):
        step = 0.01 * torch.randn(found.shape, generator=torch.Generator().manual_seed(seed))
        assert objective(found) < objective(found + step)


@pytest.fixture
def masked() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Neurons that tell two labels much, less, hardly and not at all."""
    generator = torch.Generator().manual_seed(11)
    labels = torch.randint(2, (400,), generator=generator)
    told = torch.tensor([1.0, 0.5, 0.15, 0.0])
    activations = torch.randn(400, 4, generator=generator) + told * (2 * labels[:, None] - 1)
    return activations, labels, torch.rand(400, generator=generator) + 0.5


def test_the_masked_probe_is_at_the_optimum_of_its_bound_over_all_subsets(
    masked: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    """Drawn masks and REINFORCE come to where L-BFGS comes that sums over the 16 subsets."""
    activations, labels, weights = masked
    weights = weights / weights.mean()
    objective = Objective(2, epochs=1000, lr=1e-2, entropy=3e-2, l1=1e-3, l2=1e-3)
    found = masked_probe(activations, labels, weights, objective, seed=0)
    subsets = torch.tensor(list(product((0.0, 1.0), repeat=4)), dtype=torch.float64)

    def bound(theta: torch.Tensor, bias: torch.Tensor, odds: torch.Tensor) -> torch.Tensor:
        outputs = torch.einsum("sd,nd,ld->snl", subsets, activations.double(), theta) + bias
        losses = -outputs.log_softmax(2)[:, torch.arange(400), labels] @ weights.double() / 400
        kept = odds.sigmoid()
        chance = (subsets * kept + (1 - subsets) * (1 - kept)).prod(1)
        entropy = -(chance * chance.log()).sum()
        penalty = objective.l1 * theta.abs().sum() + objective.l2 * theta.square().sum()
        return chance @ losses - objective.entropy * entropy + penalty

    best = [torch.full(shape, 1e-3, dtype=torch.float64, requires_grad=True) for shape in ((2, 4), (2,), (4,))]
    with torch.no_grad():
        best[0][0] *= -1
    optimizer = torch.optim.LBFGS(best, max_iter=60, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        value = bound(*best)
        value.backward()
        return value

    optimizer.step(step)
    best = [one.detach() for one in best]
    least, none = float(bound(*best)), float(bound(*(torch.zeros_like(one) for one in best)))
    reached = float(bound(found.weights.double(), found.bias.double(), found.kept.double().logit()))
    assert least <= reached < least + 0.02 * (none - least)
    np.testing.assert_allclose(found.kept, best[2].sigmoid(), atol=0.08)
    assert float(found.kept[0]) > 0.8 and abs(float(found.kept[3]) - 0.5) < 0.1


def test_the_masked_probe_of_a_subset_is_the_linear_probe_of_its_neurons_alone(
    masked: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    activations, labels, weights = masked
    probe = masked_probe(activations, labels, weights, Objective(2, 20, 1e-2, 1e-2, 1e-5, 1e-5), seed=0)
    growing = MaskedProbe(probe, activations.T, labels)
    for size in range(3):
        chosen = list(range(size))
        for j in range(size, 4):
            subset = [*chosen, j]
            outputs = activations[:, subset] @ probe.weights[:, subset].T + probe.bias
            witness = -float(torch.nn.functional.cross_entropy(outputs, labels))
            assert float(growing.likelihoods()[j]) == pytest.approx(witness, abs=1e-5)
        growing.add(size)


def test_moments_are_computed_once_for_several_rankings_and_again_for_another_weighting(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    stream = Split.blocks
    monkeypatch.setattr(Split, "blocks", lambda own, *size: passes.append(own) or stream(own, *size))
    shared = evidence(split)
    for rank in ("probeless", "mean_select", "mean_difference", "f_statistic", "variance"):
        getattr(rankings, rank)(shared)
    assert len(passes) == 1
    weights = torch.ones(600)
    rankings.variance(evidence(split, weights=weights))
    assert len(passes) == 2 and moments(split, weights) is moments(split, weights)


def test_what_was_made_last_goes_with_its_split(make_split: MakeSplit) -> None:
    last: Last[object] = Last()
    split = make_split(torch.randn(10, 2), torch.arange(10) % 2)
    made = last.get(split, (None, 1), object)
    assert last.get(split, (None, 1), object) is made
    assert last.get(split, (None, 1.0), object) is not made  # 1.0 is another setting than 1
    del split
    assert len(last._made) == 0


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("borda", {"members": {}}, r"ranking\.borda\.members must be one or more rankings, got none"),
        ("borda", {"members": {"lca": None}}, r"ranking\.borda\.members must be one or more rankings, got none"),
        ("gaussian", {"k": 13}, r"ranking\.gaussian\.k must be a whole number from 1 to 12, got 13"),
        ("latent_subset", {"k": 13}, r"ranking\.latent_subset\.k must be a whole number from 1 to 12, got 13"),
        ("rfe", {"most": 13}, r"ranking\.rfe\.most must be a whole number from 1 to 12, got 13"),
        ("elimination", {"most": 0}, r"ranking\.elimination\.most must be a whole number from 1 to 12, got 0"),
        ("gaussian", {"fewest": 500}, r"ranking\.gaussian\.fewest must leave at least 2 labels of train, got 500"),
        ("iou", {"threshold": 0.1}, r"ranking\.iou\.quantile or ranking\.iou\.threshold must be given, and not both"),
        ("iou", {"quantile": 2.0}, r"ranking\.iou\.quantile must be a number from 0 to 1, got 2\.0"),
        ("mutual_information", {"bins": 1}, r"ranking\.mutual_information\.bins must be a whole number of at least 2"),
        ("rfe", {"step": 0.0}, r"ranking\.rfe\.step must be a number from 1e-06 to 1, got 0\.0"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_line(
    name: str, settings: dict[str, object], message: str, split: Split
) -> None:
    with pytest.raises(InputError, match=rf"^{message}") as refused:
        getattr(rankings, name)(evidence(split), **settings)
    assert "\n" not in str(refused.value)
