"""Studies on planted answers; intervals against their stated rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from neuronprobe.activations import Split
from neuronprobe.errors import InputError
from neuronprobe.neurons import bottom, top
from neuronprobe.probes import Fit, Member, Probe, score
from neuronprobe.rankings import Evidence, lca, magnitude
from neuronprobe.rankings.lca import by_mass
from neuronprobe.report.verdict import judge
from neuronprobe.studies import (
    Grid,
    Trained,
    ablation,
    baselines,
    corpus_summary,
    lambda_search,
    named,
    ranking,
    retraining,
)
from neuronprobe.studies.comparison import compare
from neuronprobe.studies.grid import grid_result
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.sets import neuron_sets
from neuronprobe.types import Ranking, Row, Units
from tests.conftest import MakeSplit, labels_named, make_trained

FIT = Fit(l1=[0.0, 1e-3, 1e-1], l2=1e-4, epochs=6, batch_size=64, lr=0.01)
QUICK = Fit(l1=[0.0, 1e-3, 1e-1], l2=1e-4, epochs=4, batch_size=300, lr=0.05)


@pytest.fixture
def trained(planted: Split) -> Trained:
    """Ranked by LCA, and by magnitude."""
    torch.set_num_threads(1)
    return ranked(FIT([Member(1e-3, 1e-4)], planted)[0], planted, {"test": planted})


def ranked(probe: Probe, train: Split, held_out: dict[str, Split], fit: Fit = FIT) -> Trained:
    evidence = Evidence(train, train, fit, fit.seed, probe)
    return make_trained(probe, train, held_out, fit, named({"lca": lca, "magnitude": magnitude}, evidence))


def value(rows: tuple[Row, ...] | list[Row], **wanted: object) -> float:
    found = [row for row in rows if all(row.as_dict().get(k) == v for k, v in wanted.items())]
    assert len(found) == 1, (wanted, len(found))
    assert found[0].value is not None
    return found[0].value


def test_baselines_are_counted_by_hand() -> None:
    def units(types: str, labels: list[int]) -> Units:
        n = len(labels)
        return Units(torch.arange(n)[:, None], torch.tensor(labels), torch.zeros(n, dtype=torch.long), tuple(types), 1)

    splits = {"train": units("aabbc", [0, 1, 1, 1, 0]), "test": units("abczz", [0, 1, 1, 1, -1])}
    rows = baselines(labels_named(2), splits, seed=0)
    assert value(rows, split="test", set="majority", metric="macro_f1") == pytest.approx(0.75 / 3)  # of 0, 1, unknown
    rows = [row for row in rows if row.metric == "accuracy"]
    assert value(rows, split="train", set="majority") == pytest.approx(3 / 5)
    assert value(rows, split="test", set="majority") == pytest.approx(3 / 5)
    assert value(rows, split="test", set="word_majority") == pytest.approx(3 / 5)  # a is a tie: first seen, 0
    counts = corpus_summary(labels_named(2), splits, {"train": 5, "test": 6})
    assert value(counts, split="test", metric="units_with_a_label_train_lacks") == 1
    assert value(counts, split="test", metric="labels") == 2


def test_bootstrap_intervals_cover_the_truth_at_their_rate() -> None:
    generator, hits, n_trials = torch.Generator().manual_seed(0), 0, 300
    units = torch.full((120,), 8)
    for trial in range(n_trials):
        rate = torch.full((120, 8), 0.7) + 0.2 * (torch.rand(120, 1, generator=generator) - 0.5)
        correct = (torch.rand(120, 8, generator=generator) < rate).sum(1)
        low, high = Bootstrap(units, trial, resamples=300).ends(correct[None])[0].tolist()
        hits += low <= 0.7 <= high
    assert binomtest(hits, n_trials, 0.95).pvalue > 0.001
    assert hits < n_trials


def test_a_paired_interval_is_narrower_than_its_ends(trained: Trained, planted: Split) -> None:
    sets = [trained.probe.keep(top(trained.ranking.order, k)) for k in (20, 19)]
    found = score(sets, planted)
    bootstrap = Bootstrap(found.units, 0)
    low, high = bootstrap.ends(found.correct[:1] - found.correct[1:])[0].tolist()
    single = bootstrap.ends(found.correct)[0]
    assert low <= float(found.accuracy[0] - found.accuracy[1]) <= high
    assert high - low < float(single[1] - single[0])


def grid(probes: list[Probe], planted: Split, test: Split) -> Grid:
    return Grid(probes, {"train": planted, "dev": planted, "test": test})


def test_lambda_search_is_the_papers_formula(planted: Split, make_split: MakeSplit) -> None:
    probes = FIT(FIT.grid(), planted)
    noise = make_split(torch.randn(200, 40, generator=torch.Generator().manual_seed(9)), torch.arange(200) % 4)
    found = lambda_search(grid(probes, planted, noise), FIT, lca, alpha=0.7, beta=0.2, share=0.1)
    for split, name in ((planted, "dev"), (noise, "test")):
        here = value(found.rows, metric="accuracy", set="all", split=name, l1=0.0, l2=0.0)
        assert here == pytest.approx(float(score([probes[0]], split).accuracy))
    k = 4
    scores = []
    free = score([probes[0]], planted).accuracy[0]
    for probe in probes:
        order = by_mass(probe.weights).order
        kept = [probe.keep(top(order, k)), probe.keep(bottom(order, k)), probe]
        above, below, whole = score(kept, planted).accuracy.tolist()
        scores.append(0.7 * (above - below) - 0.2 * (float(free) - whole))
        assert value(found.rows, metric="score", l1=probe.l1, l2=probe.l2) == pytest.approx(scores[-1])
    pairs = [(probe.l1, probe.l2) for probe in probes]
    candidates = [i for i, pair in enumerate(pairs) if pair in FIT.pairs]
    assert found.chosen == max(candidates, key=lambda i: scores[i])
    assert pairs[found.chosen] != (0.0, 0.0)
    best = max(float(score([probes[i]], planted).accuracy) for i in candidates)
    here = float(score([probes[found.chosen]], planted).accuracy)
    assert value(found.rows, metric="accuracy_given_up") == pytest.approx(best - here)


def test_ablation_keeps_planted_neurons_and_reports_every_draw(trained: Trained, planted: Split) -> None:
    result = ablation(trained, [4, 0.5], draws=3)
    for fill in ("zero", "mean"):
        place = {"fill": fill, "k": 4, "ranking": "lca"}
        above = value(result.rows, metric="accuracy", set="top", **place)
        assert above > 0.85 > 0.6 > value(result.rows, metric="mean_accuracy", set="random", **place)
        draws = [value(result.rows, metric="accuracy", set="random", draw=d, **place) for d in range(3)]
        assert value(result.rows, metric="mean_accuracy", set="random", **place) == pytest.approx(np.mean(draws))
        gain = [row for row in result.rows if row.metric == "accuracy_difference" and row.k == 4]
        gain = [row for row in gain if row.flags["fill"] == fill and row.ranking == "lca"]
        assert {row.flags["against"] for row in gain} == {"random", "layer_matched", "magnitude", "majority"}
        for row in gain:
            assert row.low is not None and row.low <= row.value <= row.high
            if row.flags["against"] in ("random", "layer_matched"):
                assert row.flags["p"] == 1 / 4 and row.flags["n_draws"] == 3  # none of three reaches the top
        own = result.correct[f"ablation/{fill}/lca/top-4"]
        assert int(own.sum()) == round(above * len(planted)) and own.shape == (300,)
        assert result.correct[f"ablation/{fill}/lca/random-4"].sum(1).tolist() == [
            round(d * len(planted)) for d in draws
        ]
    (chosen,) = neuron_sets(trained.of("primary"), planted.neurons, {4: 1}, ["random"], 0)
    by_hand = score([trained.probe.keep(chosen.neurons)], planted).accuracy
    first = value(result.rows, metric="accuracy", set="random", draw=0, k=4, fill="zero")
    assert first == pytest.approx(float(by_hand))


def test_many_draws_are_one_row_and_all_of_them_in_the_predictions(trained: Trained, planted: Split) -> None:
    found = ablation(trained, [0.1, 0.2, 0.5], 2, tested_draws=39, rankings="primary")
    for k, n in ((4, 39), (8, 39), (20, 2)):
        (row,) = [
            r for r in found.rows if (r.k, r.set, r.metric, r.flags["fill"]) == (k, "random", "mean_accuracy", "zero")
        ]
        drawn = found.correct[f"ablation/zero/lca/random-{k}"].sum(1).double() / len(planted)
        assert (row.flags["n_draws"], len(drawn)) == (n, n)
        assert (row.value, row.flags["deviation"]) == pytest.approx((float(drawn.mean()), float(drawn.std())))
        assert (row.flags["least"], row.flags["most"]) == pytest.approx((float(drawn.min()), float(drawn.max())))
        shown = [r for r in found.rows if (r.k, r.set, r.metric, r.flags["fill"]) == (k, "random", "accuracy", "zero")]
        assert len(shown) == (n if n == 2 else 0)
        top = found.correct[f"ablation/zero/lca/top-{k}"].sum() / len(planted)
        (gain,) = [r for r in found.rows if (r.k, r.metric, r.flags.get("against"), r.flags["fill"])
                   == (k, "accuracy_difference", "random", "zero")]  # fmt: skip
        assert gain.flags["p"] == pytest.approx((1 + int((drawn >= float(top) - 1e-9).sum())) / (1 + n))


def test_the_rest_is_zero_and_the_mean_of_train(trained: Trained, planted: Split) -> None:
    probe, order = trained.probe, trained.ranking.order
    activations, means = planted.batch(torch.arange(len(planted))).activations, planted.standardisation.mean
    rows = ablation(trained, [4, 20], 2).rows
    for fill, constant in (("zero", torch.zeros(40)), ("mean", means)):
        for name, ends in (("top", order[:20]), ("bottom", order[-20:])):
            seen = constant.repeat(len(activations), 1)
            seen[:, ends] = activations[:, ends]
            by_hand = ((seen @ probe.weights.T + probe.bias).argmax(1) == planted.units.labels).double().mean()
            assert value(rows, metric="accuracy", set=name, k=20, fill=fill, ranking="lca") == pytest.approx(
                float(by_hand)
            )


def test_magnitude_is_the_mean_weight_over_labels_and_not_the_ranking(planted: Split) -> None:
    weights = torch.zeros(4, 40)
    weights[:, 0] = torch.tensor([0.9, -0.9, 0.9, -0.9])  # heavy for every label, the heaviest of none
    weights[torch.arange(4), torch.tensor([7, 18, 25, 31])] = 1.0
    weights[:, 5] = torch.tensor([-0.6, 0.6, 0.6, -0.6])
    probe = Probe(weights, torch.zeros(4))
    rows = [r for r in ablation(ranked(probe, planted, {"test": planted}), [1, 2], 2).rows if r.flags["fill"] == "zero"]
    for k in (1, 2):
        by_hand = float(score([probe.keep(torch.tensor([0, 5][:k]))], planted).accuracy)
        assert value(rows, metric="accuracy", set="top", ranking="magnitude", k=k) == pytest.approx(by_hand)
    own, other = (value(rows, metric="accuracy", set="top", ranking=name, k=2) for name in ("lca", "magnitude"))
    assert not set(by_mass(weights).order[:2].tolist()) & {0, 5}
    above = own - other
    assert value(rows, metric="accuracy_difference", against="magnitude", k=2) == pytest.approx(above)


def test_the_area_is_numpys_trapezoid_over_the_range_of_shares(trained: Trained, planted: Split) -> None:
    sizes = [20, 2, 4, 10]
    found = ablation(ranked(trained.probe, planted, {"dev": planted, "test": planted}), sizes, draws=3)
    rows = [row for row in found.rows if row.flags["fill"] == "zero"]
    shares = np.array(sorted(sizes)) / 40
    areas = {}
    for name in ("top", "random", "layer_matched", "magnitude", "bottom"):
        metric = "mean_accuracy" if name in ("random", "layer_matched") else "accuracy"
        place = {"set": "top", "ranking": "magnitude"} if name == "magnitude" else {"set": name, "ranking": "lca"}
        heights = [value(rows, study="ablation", metric=metric, k=k, split="dev", **place) for k in sorted(sizes)]
        areas[name] = np.trapezoid(heights, shares) / (shares[-1] - shares[0])
        for split in ("dev", "test"):
            assert value(rows, metric="area", split=split, **place) == pytest.approx(areas[name])
    for rival in ("random", "layer_matched", "magnitude"):
        gain = value(rows, metric="area_difference", against=rival, split="test")
        assert gain == pytest.approx(areas["top"] - areas[rival])
    area = next(row for row in rows if row.metric == "area" and row.split == "test" and row.set == "top")
    assert (area.k, area.flags["from_share"], area.flags["to_share"], area.flags["n_sizes"]) == (None, 0.05, 0.5, 4)
    kept = score([trained.probe.keep(top(trained.ranking.order, k)) for k in sorted(sizes)], planted)
    resampled = Bootstrap(kept.units, 0).values(kept.correct).numpy()
    ends = np.quantile(np.trapezoid(resampled, shares, axis=1) / (shares[-1] - shares[0]), [0.025, 0.975])
    assert [area.low, area.high] == pytest.approx(ends.tolist())
    one_size = ablation(trained, [4], draws=2).rows
    assert not [row for row in one_size if "area" in row.metric]


def test_a_ranking_that_earns_few_neurons_makes_no_sparse_probe(planted: Split) -> None:
    def few(evidence: Evidence) -> Ranking:
        return Ranking("few", torch.arange(40), torch.zeros(40), 1, torch.ones(4, 40))

    fit = Fit(l1=1e-3, l2=1e-4, epochs=2, batch_size=300, lr=0.05)
    found = lambda_search(grid(fit(fit.grid(), planted), planted, planted), fit, few)
    scores = [row for row in found.rows if row.metric == "score"]
    assert len(scores) == 2 and not any(row.flags.get("top_is_whole_probe") for row in scores)
    assert all(row.flags["earned"] == 1 for row in scores)


def test_a_search_by_retraining_is_algorithm_2_of_jmlr(planted: Split) -> None:
    members = QUICK.grid()[:3]
    probes = QUICK(members, planted)
    fit = Fit(l1=[0.0, 1e-3], l2=[0.0, 1e-4], epochs=4, batch_size=300, lr=0.05)  # as QUICK, and may choose all three
    assert {(m.l1, m.l2) for m in members} <= set(fit.pairs)
    found = lambda_search(
        grid(probes, planted, planted), fit, lca, alpha=0.7, beta=0.2, share=0.1, by="retrained_score"
    )
    activations = planted.batch(torch.arange(len(planted))).activations
    scores = []
    for member, probe in zip(members, probes, strict=True):
        order, accuracy = by_mass(probe.weights).order, []
        for chosen in (order[:4], order[-4:]):  # as printed: matrices of zeros but for the chosen columns
            masked = torch.zeros_like(activations)
            masked[:, chosen] = activations[:, chosen]
            twin = replace(member, neurons=chosen)
            narrow = QUICK([twin], planted)[0]
            outputs = masked[:, chosen] @ narrow.weights.T + narrow.bias
            accuracy.append(float((outputs.argmax(1) == planted.units.labels).double().mean()))
        whole = [float(score([p], planted).accuracy) for p in (probes[0], probe)]
        scores.append(0.7 * (accuracy[0] - accuracy[1]) - 0.2 * (whole[0] - whole[1]))
        about = {"l1": member.l1, "l2": member.l2}
        assert value(found.rows, metric="accuracy", set="bottom", mode="retrained", **about) == pytest.approx(
            accuracy[1]
        )
        assert value(found.rows, metric="score", **about) == pytest.approx(scores[-1])
    assert found.chosen == int(np.argmax(scores))


def test_a_search_by_dev_takes_the_most_accurate_and_reports_the_score(planted: Split, make_split: MakeSplit) -> None:
    weak, strong = Probe(torch.zeros(4, 40), torch.zeros(4), l1=0.0), FIT([Member(1e-3, 1e-4)], planted)[0]
    test = make_split(torch.zeros(8, 40), torch.zeros(8, dtype=torch.long), n_labels=4)  # weak is right in all of it
    probes = [weak, replace(strong, l1=1e-3), replace(strong, l1=1e-2)]
    fit, made = Fit(l1=[0.0, 1e-3, 1e-2], l2=[0.0, 1e-4]), grid(probes, planted, test)
    assert {(probe.l1, probe.l2) for probe in probes} <= set(fit.pairs)
    ablated = lambda_search(made, fit, lca, share=0.1)
    found = lambda_search(made, fit, lca, share=0.1, by="dev")
    assert found.chosen == 1  # of equals the least regularised
    chosen = {by: lambda_search(made, fit, lca, 0.0, 0.0, 0.1, by).chosen for by in ("score", "dev")}
    assert chosen == {"score": 0, "dev": 1}  # a score that weighs nothing is the same for all
    assert [r.value for r in found.rows if r.metric == "score"] == [
        r.value for r in ablated.rows if r.metric == "score"
    ]
    assert {row.flags["by"] for row in found.rows} == {"dev"}
    low = replace(strong, l1=1e-1, weights=strong.weights.roll(1, dims=1))
    only = lambda_search(grid([weak, low, strong], planted, test), Fit(1e-1, 1e-4), lca, share=0.1, by="dev")
    assert only.chosen == 1  # (0, 0) and what is no candidate can't be chosen


def test_a_single_pair_is_a_grid_of_one_with_the_unregularised_probe_beside(planted: Split) -> None:
    fit = Fit(l1=1e-3, l2=1e-4, epochs=2, batch_size=64, lr=0.01)
    grid = Grid(fit(fit.grid(), planted), {"train": planted, "dev": planted, "test": planted})
    found = lambda_search(grid, fit, lca)
    assert [(probe.l1, probe.l2) for probe in grid.probes] == [(0.0, 0.0), (1e-3, 1e-4)] and found.chosen == 1
    scores = [row.value for row in found.rows if row.metric == "score"]
    assert len(scores) == 2 and len(set(scores)) == 2
    (remark, *_) = grid_result(found.rows).remarks
    assert remark.startswith("λ was given as one pair: search by S had no choice") and "probe.l1=[0,0.001]" in remark


def test_draws_differ_and_layer_matched_sets_have_the_layers_of_the_top(planted: Split) -> None:
    order = torch.tensor([7, 0, 18, 1, 2, 3, 25, 31, *(n for n in range(40) if n not in (7, 0, 18, 1, 2, 3, 25, 31))])
    rankings = {"lca": replace(by_mass(torch.ones(2, 40)), order=order)}
    sets = neuron_sets(rankings, planted.neurons, {6: 4}, ("top", "random", "layer_matched", "bottom"), 0)
    assert [(s.name, s.draw) for s in sets if s.name == "random"] == [("random", draw) for draw in range(4)]
    for name in ("random", "layer_matched"):
        drawn = {tuple(sorted(s.neurons.tolist())) for s in sets if s.name == name}
        assert len(drawn) == 4
    for chosen in sets:
        if chosen.name == "layer_matched":
            assert planted.neurons.counts(chosen.neurons).tolist() == [5, 1, 0, 0]
    probes = [Probe(torch.ones(4, 6), torch.zeros(4), s.neurons) for s in sets]
    trained = make_trained(Probe(torch.ones(4, 40), torch.zeros(4)), planted, rankings=rankings)
    rows = compare("ablation", "ablated", trained, sets, probes, {"test": score(probes, planted)}).rows
    overlaps = [row.flags["overlap_with_top"] for row in rows if row.set == "random" and row.metric == "accuracy"]
    assert overlaps == [len(set(s.neurons.tolist()) & set(order[:6].tolist())) / 6 for s in sets if s.name == "random"]


def test_retraining_trains_on_train_with_the_chosen_lambda(trained: Trained, planted: Split) -> None:
    seen = []

    class Spy(Fit):
        def __call__(self, members: list[Member], train: Split) -> list[Probe]:
            seen.append((members, train))
            return super().__call__(members, train)

    probe, order = trained.probe, trained.ranking.order
    elsewhere = Split(planted.units, planted._store, planted.neurons, planted.target)
    spy = Spy(l1=[0.0, 1e-3, 1e-1], l2=1e-4, epochs=6, batch_size=64, lr=0.01)
    retraining(make_trained(probe, planted, {"test": elsewhere}, spy), [4], draws=1)
    ((members, split),) = seen
    assert split is planted
    assert {(m.l1, m.l2, m.seed) for m in members} == {(probe.l1, probe.l2, probe.seed)} == {(1e-3, 1e-4, 0)}
    assert members[0].neurons.tolist() == order[:4].tolist()


def test_sets_inside_the_first_block_and_among_zero_weights_say_so(planted: Split) -> None:
    weights = torch.zeros(4, 40)
    weights[torch.arange(4), torch.tensor([7, 18, 25, 31])] = 1.0
    probe = Probe(weights, torch.zeros(4))
    rows = ablation(make_trained(probe, planted, {"test": planted}), [3, 10], draws=1).rows
    rows = [row for row in rows if row.metric == "accuracy" and row.flags["fill"] == "zero"]
    tops = [row for row in rows if row.set == "top"]
    assert [row.flags.get("inside_first_block") for row in tops] == [True, None]
    assert [row.flags.get("not_earned") for row in tops] == [None, 6]  # four have weight
    assert [row.flags["not_earned"] for row in rows if row.set == "bottom"] == [3, 10]


def test_retraining_on_planted_neurons_loses_nothing(trained: Trained, planted: Split) -> None:
    result = retraining(trained, [4], draws=2)
    oracle = float(score([trained.probe], planted).accuracy)
    assert value(result.rows, metric="accuracy", set="top") > oracle - 0.02
    assert value(result.rows, metric="accuracy", set="bottom") < 0.4
    assert {row.mode for row in result.rows} == {"retrained"}


def test_a_size_beyond_the_neurons_is_refused(trained: Trained) -> None:
    with pytest.raises(InputError, match="count from 1 to 40"):
        ablation(trained, [41], draws=1)


def test_what_the_ranking_says_is_counted_from_it(trained: Trained, planted: Split) -> None:
    rows = [row for row in ranking(trained, 0.1).rows if row.ranking == "lca"]
    layers = [row for row in rows if row.metric == "salient_neurons"]
    assert [row.value for row in layers] == [1, 1, 1, 1]  # 7, 18, 25, 31 lie in layers 0 to 3 of ten neurons each
    first = next(row for row in rows if row.metric == "mass_of_heavier_neurons")
    assert planted.neurons.starts[first.layer or 0] + (first.neuron or 0) == int(trained.ranking.order[0])
    share = trained.probe.weights[0].abs().sort(descending=True).values.double()
    holds = int((share.cumsum(0) < 0.25 * share.sum()).sum()) + 1
    assert value(rows, metric="label_neurons", label="a") == holds
    support = next(row for row in rows if row.label == "a").flags["support"]
    assert support == int((planted.units.labels == 0).sum())


def test_noise_does_not_beat_random(make_split: MakeSplit) -> None:
    generator = torch.Generator().manual_seed(5)
    noise = make_split(torch.randn(1000, 40, generator=generator), torch.randint(3, (1000,), generator=generator))
    fresh = make_split(torch.randn(1000, 40, generator=generator), torch.randint(3, (1000,), generator=generator))
    probe = FIT([Member(1e-3, 1e-4)], noise)[0]
    rows = list(ablation(ranked(probe, noise, {"test": fresh}), [0.1, 0.2], 5, tested_draws=39).rows)
    rows.append(Row("oracle", "accuracy", 0.3, k=40))
    text = judge([row.as_dict() for row in rows]).text
    assert text.startswith("Top does not beat random") and "raise probe.l1" in text


def test_several_rankings_share_their_random_sets(trained: Trained) -> None:
    result = ablation(trained, [4, 10], draws=5)
    for rows in ([row for row in result.rows if row.flags["fill"] == fill] for fill in ("zero", "mean")):
        for k in (4, 10):
            (random,) = [
                [r.value for r in rows if (r.set, r.k, r.metric, r.ranking) == ("random", k, "accuracy", "lca")]
            ]
            for name in ("lca", "magnitude"):
                place = {"k": k, "ranking": name}
                order = trained.rankings[name].order
                for which, chosen in (("top", top(order, k)), ("bottom", bottom(order, k))):
                    found = value(rows, metric="accuracy", set=which, **place)
                    if rows[0].flags["fill"] == "zero":
                        by_hand = score([trained.probe.keep(chosen)], trained.train).accuracy
                        assert found == pytest.approx(float(by_hand))
                above = value(rows, metric="accuracy", set="top", **place)
                gain = value(rows, metric="accuracy_difference", against="random", **place)
                assert gain == pytest.approx(above - np.mean(random))
                (row,) = [r for r in rows if (r.metric, r.k, r.ranking, r.flags.get("against"))
                          == ("accuracy_difference", k, name, "random")]  # fmt: skip
                assert row.flags["n_draws"] == 5 == len(random)
                assert row.flags["p"] == pytest.approx((1 + sum(one >= above - 1e-9 for one in random)) / 6)
    sets = {name: {row.set for row in result.rows if row.ranking == name} for name in trained.rankings}
    assert sets == {"lca": {"top", "bottom", "random", "layer_matched"}, "magnitude": {"top", "bottom"}}
    against = {row.flags["against"] for row in result.rows if row.ranking == "magnitude" and "against" in row.flags}
    assert against == {"random", "majority"}  # and neither what matches the layers of another top, nor the primary one
    only = ablation(trained, [4, 10], draws=5, rankings="primary")
    assert {row.ranking for row in only.rows} == {"lca"}
    assert {name: counts.tolist() for name, counts in only.correct.items()} == {
        name: counts.tolist() for name, counts in result.correct.items() if "/lca/" in name
    }
