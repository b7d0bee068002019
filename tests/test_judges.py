"""Judges against scikit-learn and SciPy, and what they say of planted rankings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.linear_model import Ridge

from neuronprobe.activations import Split
from neuronprobe.errors import InputError
from neuronprobe.probes import Fit, Gaussians, Member, Probe, gaussians, log_likelihoods, products
from neuronprobe.studies import compare_rankings
from neuronprobe.studies.judges import JUDGES, Sets, entropy, in_bits, judged
from neuronprobe.types import UNKNOWN, Ranking, Result
from tests.conftest import MakeSplit, make_trained

CARRIERS = [7, 18, 25, 31]


def activations(split: Split) -> np.ndarray:
    return torch.cat([batch.activations for batch in split.blocks()]).double().numpy()


def test_ridge_is_scikit_learns_on_z_scores(planted: Split) -> None:
    neurons = torch.tensor([3, 7, 18, 31])
    x, y = activations(planted)[:, neurons.numpy()], planted.units.labels.numpy()
    z = (x - x.mean(0)) / x.std(0)
    wanted = Ridge(alpha=0.05 * len(z)).fit(z, np.eye(4)[y])
    probe = products(planted, torch.arange(40)).ridge(neurons, 0.05)
    assert probe.neurons is not None and probe.neurons.tolist() == neurons.tolist()
    outputs = x @ probe.weights.double().numpy().T + probe.bias.double().numpy()
    np.testing.assert_allclose(outputs, wanted.predict(z), atol=2e-5)


def test_ridge_of_values_and_with_a_constant_neuron(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 3, generator=generator)
    x[:, 1] = 5.0
    split = make_split(x, (2 * x[:, 0] + 1).double())
    probe = products(split, torch.arange(3)).ridge(torch.arange(3), 1e-6)
    assert float(probe.weights[0, 1]) == pytest.approx(0, abs=1e-6)
    assert torch.allclose(x @ probe.weights[0] + probe.bias, split.units.labels.float(), atol=1e-4)


def test_gaussians_are_scipys_with_shrunk_covariances(planted: Split) -> None:
    neurons = torch.tensor([3, 7, 18])
    x, y = activations(planted)[:, neurons.numpy()], planted.units.labels.numpy()
    z = (x - x.mean(0)) / x.std(0)
    scatters = [np.cov(z[y == label].T, ddof=0) * (y == label).sum() for label in range(4)]
    shared = sum(scatters) / len(z)
    shared = 0.95 * shared + 0.05 * np.diag(np.diag(shared))
    joint = np.stack([
        np.log((y == label).mean()) + multivariate_normal(
            z[y == label].mean(0), (scatter + gaussians.PRIOR * shared) / ((y == label).sum() + gaussians.PRIOR)
        ).logpdf(z) for label, scatter in enumerate(scatters)
    ])  # fmt: skip
    wanted = joint - np.logaddexp.reduce(joint, 0)
    model = Gaussians(planted, torch.arange(40))
    np.testing.assert_allclose(model.log_posterior(neurons, model.scores(planted)), wanted, atol=1e-3)


def test_a_label_of_one_unit_and_a_copied_neuron_have_a_gaussian(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=generator)
    x[:, 2] = x[:, 1]
    labels = (x[:, 0] > 0).long()
    labels[0] = 2
    model = Gaussians(split := make_split(x, labels, n_labels=4), torch.arange(3))
    found = model.log_posterior(torch.arange(3), model.scores(split))
    assert torch.allclose(found.exp().sum(0), torch.ones(200), atol=1e-5)
    assert bool((found[3] == -torch.inf).all()), "a label that train lacks is never said"
    assert float((found.argmax(0) == labels).float().mean()) > 0.9
    with pytest.raises(InputError, match="a Gaussian per label must have a property with labels"):
        Gaussians(make_split(x, x[:, 0].double()), torch.arange(3))


def test_likelihoods_are_those_of_softmax_without_unknown_labels(planted: Split) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = planted.units.labels.clone()
    labels[:7] = UNKNOWN
    split = planted.relabelled(labels)
    probes = [Probe(torch.randn(4, 2, generator=generator), torch.randn(4, generator=generator), neurons)
              for neurons in (torch.tensor([1, 7]), torch.tensor([2, 3]))]  # fmt: skip
    found = log_likelihoods(probes, split)
    x = torch.from_numpy(activations(split)).float()
    for own, probe in zip(found, probes, strict=True):
        every = (x[:, probe.neurons] @ probe.weights.T + probe.bias).log_softmax(1)
        gold = every[torch.arange(1500), labels.clamp_min(0)]
        gold[:7] = 0
        wanted = torch.zeros(len(own)).index_add_(0, split.units.sentences, gold)
        assert torch.allclose(own.float(), wanted, atol=1e-4)


def test_information_is_the_entropy_for_who_knows_and_nothing_for_who_knows_the_shares(planted: Split) -> None:
    shares = torch.bincount(planted.units.labels).double() / len(planted)
    knows_shares = torch.zeros(1, planted.units.n_sentences, dtype=torch.float64)
    knows_shares[0].index_add_(0, planted.units.sentences, shares.log()[planted.units.labels])
    found = in_bits(torch.cat([torch.zeros_like(knows_shares), knows_shares]), planted)
    assert found.value.tolist() == pytest.approx([entropy(planted), 0], abs=1e-9)
    assert entropy(planted) == pytest.approx(float(-(shares * shares.log2()).sum()))


def test_a_set_stands_once_whatever_its_order() -> None:
    sets = Sets()
    assert [sets.add(torch.tensor(one)) for one in ([3, 1], [1, 3], [1], [3, 1])] == [0, 0, 1, 0]
    assert [one.tolist() for one in sets.found] == [[1, 3], [1]]


def in_this_order(name: str, first: list[int], n: int = 40) -> Ranking:
    order = torch.tensor([*first, *(i for i in range(n) if i not in first)])
    score = torch.zeros(n).scatter_(0, order, torch.arange(n, 0, -1.0))
    return Ranking(name, order, score, n, torch.ones(4, n))


@pytest.fixture
def compared(planted: Split) -> Result:
    """One ranking that knows the carriers, one that has them in another order, one that has them last."""
    fit = Fit(1e-3, 1e-4, epochs=6, batch_size=64, lr=0.01)
    (probe,) = fit([Member(1e-3, 1e-4)], planted)
    knows = in_this_order("knows", CARRIERS)
    rankings = {
        "knows": knows, "knows_too": in_this_order("knows_too", CARRIERS[::-1]),
        "last": Ranking("last", knows.order.flip(0), knows.score, 40, knows.by_label),
    }  # fmt: skip
    trained = make_trained(probe, planted, fit=fit, rankings=rankings)
    return compare_rankings(trained, [4, 8], list(JUDGES), draws=4, resamples=0, seeds=0, small=4, control_draws=2)


def test_every_judge_puts_the_top_before_random_orders_and_these_before_the_bottom(compared: Result) -> None:
    for judge, fill in (("linear", None), ("kept", "zero"), ("kept", "mean"), ("ridge", None), ("gaussian", None)):
        own = [row for row in compared.rows if row.flags.get("judge") == judge and row.flags.get("fill") == fill
               and row.split == "test" and row.k == 4]  # fmt: skip
        (top,) = [row.value for row in own if (row.metric, row.ranking, row.set) == ("accuracy", "knows", "top")]
        (bottom,) = [row.value for row in own if (row.metric, row.ranking, row.set) == ("accuracy", "knows", "bottom")]
        (drawn,) = [row.value for row in own if row.metric == "mean_accuracy" and row.set == "random"]
        assert top is not None and bottom is not None and drawn is not None
        assert top > 0.85 and top > drawn + 0.2 and drawn > bottom - 0.05, (judge, fill, top, drawn, bottom)


def test_rankings_whose_tops_are_the_same_neurons_are_the_same(compared: Result) -> None:
    best = [row for row in compared.rows if row.metric == "best"]
    assert len(best) == 10 and not any(row.flags["is_best"] for row in best if row.flags["range"] == "small")
    for row in best:
        if row.flags["range"] == "small":
            assert row.ranking == "knows" and row.flags["equals"] == ["knows_too"]
    small = [row for row in compared.rows if row.flags.get("range") == "small"]
    differences = [row for row in small if row.metric == "accuracy_difference"]
    assert {(row.flags["against"], row.flags["same"]) for row in differences} == {("knows_too", True), ("last", False)}
    assert all(row.value == 0 and row.flags["p"] == 1 for row in differences if row.flags["same"])


def test_information_and_areas_stand_in_rows(compared: Result) -> None:
    told = [row for row in compared.rows if row.metric == "normalised_information" and row.set == "top" and row.k == 4]
    assert {(row.flags["judge"], row.ranking) for row in told} == {
        (judge, name) for judge in ("linear", "gaussian") for name in ("knows", "knows_too", "last")
    }
    by_name = {row.ranking: row.value for row in told if row.flags["judge"] == "gaussian"}
    assert by_name["knows"] > 0.5 > by_name["last"] + 0.4  # type: ignore[operator]
    bits = [row.value for row in compared.rows if row.metric == "information"]
    assert max(one for one in bits if one is not None) < 2


def test_the_area_is_over_the_logarithm_of_the_size(planted: Split) -> None:
    rankings = {"a": in_this_order("a", CARRIERS), "b": in_this_order("b", [0])}
    trained = make_trained(Probe(torch.randn(4, 40), torch.zeros(4)), planted, rankings=rankings)
    found = compare_rankings(trained, [1, 4, 40], ["ridge"], draws=2, resamples=0, seeds=0, small=40)
    own = [row for row in found.rows if row.ranking == "a" and row.set == "top" and row.split == "test"]
    heights = [row.value for row in own if row.metric == "accuracy"]
    (area,) = [row for row in own if row.metric == "accuracy_area"]
    assert area.value == pytest.approx(np.trapezoid(heights, np.log([1, 4, 40])) / np.log(40)), area.flags  # type: ignore[arg-type]
    assert area.flags["over"] == "log k"


def test_sets_beyond_what_a_judge_takes_are_left_to_the_others(planted: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("neuronprobe.studies.judges", fromlist=["MOST"]).MOST, "gaussian", 4)
    trained = make_trained(Probe(torch.randn(4, 40), torch.zeros(4)), planted)
    (one,) = judged(trained, "gaussian", [torch.arange(5), torch.arange(4)])
    assert not one.has([0]) and one.has([1]) and one.at([1]) == [0]
    assert list(judged(trained, "gaussian", [torch.arange(5)])) == []


def test_where_no_set_is_small_selectivity_is_that_of_the_largest_retrained(planted: Split) -> None:
    fit = Fit(1e-3, 1e-4, epochs=2, batch_size=64, lr=0.01)
    (probe,) = fit([Member(1e-3, 1e-4)], planted)
    rankings = {name: in_this_order(name, own) for name, own in (("one", CARRIERS), ("two", CARRIERS[::-1]))}
    trained = make_trained(probe, planted, fit=fit, rankings=rankings)
    found = compare_rankings(trained, [4, 20], ["linear"], draws=2, resamples=0, seeds=0, small=1, control_draws=3)
    assert {row.k for row in found.rows if row.metric == "selectivity"} == {4}


def test_one_ranking_has_nothing_to_be_compared_with(planted: Split) -> None:
    trained = make_trained(Probe(torch.zeros(4, 40), torch.zeros(4)), planted)
    with pytest.raises(InputError, match=r"^ranking must be at least 2 rankings to be compared, got lca alone"):
        compare_rankings(trained, [4], ["ridge"])
