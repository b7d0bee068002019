"""Stability selection: bounds against the R package stabs, selected sets against scikit-learn, false ones counted."""

from __future__ import annotations

import csv
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet, LogisticRegression

from neuronprobe.activations import Split
from neuronprobe.callbacks import LambdaSearch, StabilitySelection
from neuronprobe.errors import InputError
from neuronprobe.probes import ExactFit, Fit
from neuronprobe.studies import Trained, ranking, stability_selection
from neuronprobe.studies.resamples import half_samples
from neuronprobe.studies.selection_bounds import most_selected, r_concave, tail, worst_case
from neuronprobe.studies.stability_selection import Path, Selected, walk
from neuronprobe.types import Row, Units
from tests.conftest import MakeSplit, make_trained

L2 = 1e-2


def exactly(split: Split) -> Trained:
    fit = ExactFit(l1=1e-2, l2=L2)
    return make_trained(fit(fit.grid(), split)[0], split, fit=fit)


def select(rows: tuple[Row, ...], **wanted: object) -> list[Row]:
    return [row for row in rows if all(row.as_dict().get(k) == v for k, v in wanted.items())]


def test_the_r_concave_bound_is_that_of_the_r_package_stabs() -> None:
    """stabsel_parameters(p = 100, cutoff = 0.6, sampling.type = "SS", assumption = "r-concave"), q = 1, 2, 5, 10.

    Its optimum is found to about 1e-4 of the offset; ours is never lower.
    """
    published = {1: 0.006971364, 2: 0.03342845, 5: 0.2605329, 10: 1.141338}
    ours = {q: r_concave(q, 100, 0.6, 50) for q in published}
    assert ours == pytest.approx(published, rel=4e-3) and all(ours[q] >= published[q] for q in published)
    assert [round(r_concave(q, 200, 0.6, 50), 3) for q in (6, 7)] == [0.174, 0.248]
    assert [worst_case(q, 100, 0.6) for q in (1, 4, 10)] == pytest.approx([0.05, 0.8, 5])


def test_no_r_concave_distribution_has_a_heavier_tail() -> None:
    generator, n = np.random.default_rng(0), 8
    for r in (-1 / 2, -1 / 4):
        for _ in range(12):  # f^r convex: f = (a convex function)^(1/r), zero behind some end
            slopes = np.sort(generator.normal(size=n)) + generator.uniform(0, 2)
            convex = generator.uniform(0.05, 3) + np.concatenate([[0], np.cumsum(slopes)])
            mass = np.where(convex > 1e-3, convex.clip(1e-3), np.inf) ** (1 / r)
            if (convex <= 1e-3).any():
                continue
            mass /= mass.sum()
            mean = float(np.arange(n + 1) @ mass / n)
            for at in range(1, n + 1):
                assert mass[at:].sum() <= tail(mean, at, n, r) + 1e-9


def test_q_is_the_largest_whose_bound_is_wanted() -> None:
    for bound, of in (
        ("worst_case", lambda q: worst_case(q, 300, 0.75)),
        ("r_concave", lambda q: r_concave(q, 300, 0.75, 50)),
    ):
        q = most_selected(1.0, 300, 0.75, 50, bound)
        assert of(q) <= 1 < of(q + 1)
    with pytest.raises(InputError, match=r"callbacks\.stability_selection\.expected must be at least"):
        most_selected(1e-4, 300, 0.75, 50, "worst_case")


def test_halves_of_a_pair_share_no_sentence_and_are_as_large() -> None:
    sentences = torch.repeat_interleave(torch.arange(31), torch.arange(31) % 4 + 1)
    n = len(sentences)
    units = Units(torch.arange(n)[:, None], torch.zeros(n).long(), sentences, ("x",) * n, 31)
    weights = half_samples(units, 50, seed=3)
    assert weights.shape == (100, n) and weights.mean(1).numpy() == pytest.approx(np.ones(100), abs=1e-5)
    inside = weights > 0
    for half in inside:
        of = [set(half[sentences == sentence].tolist()) for sentence in range(31)]
        assert all(len(own) == 1 for own in of) and sum(own == {True} for own in of) == 15
    assert not (inside[0::2] & inside[1::2]).any()
    assert len({tuple(half.tolist()) for half in inside}) == 100
    assert 0.35 < float(inside.double().mean()) < 0.6
    one = Units(units.rows[:1], units.labels[:1], sentences[:1], ("x",), 31)
    with pytest.raises(InputError, match="at least 2 sentences"):
        half_samples(one, 50, seed=0)


@pytest.mark.parametrize("kind", ["values", "labels"])
def test_halves_select_what_scikit_learn_selects_on_them(kind: str, make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(5)
    activations = torch.randn(240, 25, generator=generator)
    signal = activations[:, :3] @ torch.tensor([1.0, -0.8, 0.6]) + torch.randn(240, generator=generator)
    labels = signal.double() if kind == "values" else (signal > signal.median()).long()
    split = make_split(activations, labels)
    trained, q = exactly(split), 6
    weights = half_samples(split.units, 2, seed=1)
    chosen, l1 = walk(trained, weights, q)
    mean, deviation = split.standardisation
    scaled, target = ((activations - mean) / deviation).double().numpy(), split.units.labels.numpy()
    path = [Path(trained, q).l1(step) for step in range(30)]
    for own, mine, stopped in zip(weights, chosen, l1.tolist(), strict=True):
        half = (own > 0).numpy()
        sets = [peer(kind, scaled[half], target[half], one) for one in path]
        last = next(step for step, found in enumerate(sets) if len(found) > q) - 1
        assert set(mine.nonzero().flatten().tolist()) == sets[last] and stopped == pytest.approx(path[last])
        assert 0 < len(sets[last]) <= q


def peer(kind: str, activations: np.ndarray, target: np.ndarray, l1: float) -> set[int]:
    """The neurons in use at the optimum of the same objective on the rows of the half alone."""
    total, ratio = l1 + 2 * L2, l1 / (l1 + 2 * L2)
    if kind == "values":
        found = ElasticNet(total, l1_ratio=ratio, tol=1e-10, max_iter=100_000).fit(activations, target).coef_
        return set(np.flatnonzero(found).tolist())
    # two rows of weights, one the other's negative: of their difference λ1 and λ2 are halved
    strength = 1 / (len(target) * (l1 + L2))
    model = LogisticRegression(C=strength, l1_ratio=l1 / (l1 + L2), solver="saga", tol=1e-9, max_iter=50_000)
    return set(np.flatnonzero(model.fit(activations, target).coef_).tolist())


def planted_values(seed: int, near: float, n: int = 200, p: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """The first 3 neurons carry the value; the next 6 say nothing and go with them, by a correlation of `near`."""
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randn(n, p, generator=generator)
    activations[:, 3:9] = near * activations[:, :3].repeat(1, 2) + (1 - near**2) ** 0.5 * activations[:, 3:9]
    return activations, (0.5 * activations[:, :3].sum(1) + torch.randn(n, generator=generator)).double()


@pytest.mark.parametrize("near", [0.0, 0.6])
def test_false_selections_are_fewer_than_the_bounds_on_average(near: float, make_split: MakeSplit) -> None:
    """Fewer draws and pairs than `benchmarks/stability_selection.py` has."""
    found, false, bounds = [], [], []
    for seed in range(2):
        trained = exactly(make_split(*planted_values(seed, near)))
        rows = stability_selection(trained, expected=1.0, threshold=0.75, pairs=6).rows
        listed = [row.neuron for row in select(rows, metric="selection_share")]
        found.append(len([n for n in listed if n < 3]))
        false.append(len(listed) - found[-1])
        bounds = [row.value for row in select(rows, metric="expected_rarely_selected", asked=True)]
        (size,) = select(rows, metric="selected_neurons")
        assert 2 < size.value <= size.high <= size.flags["q"] == 4
    assert bounds == pytest.approx([worst_case(4, 40, 0.75), r_concave(4, 40, 0.75, 6)]) and bounds[1] < bounds[0] <= 1
    assert np.mean(false) <= bounds[1] and np.mean(found) > 2


def test_what_is_counted_stands_in_the_tables_and_in_ranking_csv(planted: Split) -> None:
    fit = ExactFit(l1=1e-2, l2=L2)
    trained = make_trained(fit(fit.grid(), planted)[0], planted, fit=fit)
    q = most_selected(4.0, 40, 0.75, 2, "worst_case")
    result = stability_selection(trained, expected=4.0, threshold=0.75, pairs=2)
    chosen, _ = walk(trained, half_samples(planted.units, 2, trained.seed), q)
    shares = chosen.double().mean(0)
    lines = csv.DictReader(StringIO(ranking(trained, 0.1, None, result.handed).files["ranking.csv"].decode()))
    for line in lines:
        flat = 10 * int(line["layer"]) + int(line["neuron"])
        share = float(shares[flat])
        assert float(line["selection_share"]) == share and (line["listed"] == "true") == (share >= 0.75)
        bounds = (line["expected_rarely_selected"], line["expected_if_r_concave"])
        if share <= 0.5:
            assert bounds == ("", "")
        else:
            assert [float(one) for one in bounds] == pytest.approx(
                [worst_case(q, 40, share), r_concave(q, 40, share, 2)], rel=1e-2
            )
    assert {7, 18, 25, 31} <= set((shares >= 0.75).nonzero().flatten().tolist())
    listed = select(result.rows, metric="listed_neurons")
    assert [row.value for row in listed] == [int((shares >= row.flags["threshold"]).sum()) for row in listed]
    assert result.figures[0].series[0].y == tuple(row.value for row in listed)
    assert f"at most q = {q} of 40" in result.tables[0].notes[0]
    assert f"{listed[2].value:.0f} neurons are selected by at least 75% of 4 half-samples" in result.remarks[0]


def test_a_neuron_at_the_threshold_is_listed() -> None:
    chosen = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 0, 0]], dtype=torch.bool)
    found = Selected(chosen, torch.ones(4), q=2, threshold=0.75, pairs=2)
    assert found.listed(0.75) == [0, 1] and found.columns["listed"] == ["true", "true", "false", "false"]
    assert found.columns["expected_rarely_selected"][2:] == ["", ""]


def started(fit: Fit, planted: Split) -> SimpleNamespace:
    search = LambdaSearch()
    search.begin(fit, {})
    return SimpleNamespace(callbacks=[search], datamodule=SimpleNamespace(split=lambda _: planted))


def test_what_can_not_work_is_refused_in_one_line_before_the_training(planted: Split) -> None:
    StabilitySelection().check(started(ExactFit(l1=1e-2, l2=L2), planted))
    with pytest.raises(InputError, match=r"probe must be exact for callbacks\.stability_selection.*got adam; choose"):
        StabilitySelection().check(started(Fit(1e-3, 1e-4), planted))
    with pytest.raises(InputError, match=r"callbacks\.stability_selection\.expected must be at least"):
        StabilitySelection(expected=0.01).check(started(ExactFit(l1=1e-2, l2=L2), planted))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.5}, r"callbacks\.stability_selection\.threshold must be above 0\.5"),
        ({"threshold": 1.1}, r"callbacks\.stability_selection\.threshold must be a number from"),
        ({"pairs": 49}, r"callbacks\.stability_selection\.pairs must be a whole number of at least 50"),
        ({"expected": 0}, r"callbacks\.stability_selection\.expected must be a number"),
        ({"bound": "none"}, r"callbacks\.stability_selection\.bound must be one of worst_case, r_concave"),
    ],
)
def test_bad_settings_are_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        StabilitySelection(**settings)
