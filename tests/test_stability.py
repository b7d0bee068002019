"""Stability on planted neurons; overlap by chance against simulation; resamples against the bootstrap's definition."""

from __future__ import annotations

import csv
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from io import StringIO

import numpy as np
import pytest
import torch

from neuronprobe.activations import Split
from neuronprobe.callbacks import Stability, StableLambdaSearch
from neuronprobe.errors import InputError
from neuronprobe.neurons import NeuronTable, Segment, layer_matched, random
from neuronprobe.probes import Fit, Member, Probe
from neuronprobe.rankings import Evidence, lasso, lca, probeless, rfe, ridge
from neuronprobe.rankings.lca import by_mass
from neuronprobe.studies import stability
from neuronprobe.studies.overlap import first_blocks, overlap, top_sets
from neuronprobe.studies.ranking import neurons_csv
from neuronprobe.studies.resamples import resampled, resamples
from neuronprobe.studies.stability import by_resample, by_seed, made_again
from neuronprobe.types import Row, Units
from tests.conftest import MakeSplit, make_trained

FIT = Fit(1e-3, 1e-4, epochs=4, batch_size=64, lr=0.01)
PLANTED = {7, 18, 25, 31}


@pytest.fixture
def probe(planted: Split) -> Probe:
    torch.set_num_threads(1)
    return FIT([Member(1e-3, 1e-4)], planted)[0]


def units(labels: list[int], sentences: list[int]) -> Units:
    n = len(labels)
    return Units(
        torch.arange(n)[:, None], torch.tensor(labels), torch.tensor(sentences), ("x",) * n, max(sentences) + 1
    )


def select(rows: tuple[Row, ...] | list[Row], **wanted: object) -> list[Row]:
    return [row for row in rows if all(row.as_dict().get(k) == v for k, v in wanted.items())]


def test_a_resample_draws_whole_sentences_with_replacement() -> None:
    sizes = [1, 2, 3, 4, 5] * 20
    found = units([0] * 300, [s for s, size in enumerate(sizes) for _ in range(size)])
    weights = resamples(found, 400, seed=3)
    assert weights.mean(1).numpy() == pytest.approx(np.ones(400), abs=1e-5)
    times = torch.zeros(400, 100)
    for i, resample in enumerate(weights):
        least = resample[resample > 0].min()
        by_sentence = [resample[found.sentences == s] for s in range(100)]
        assert all(len(set(own.tolist())) == 1 for own in by_sentence)
        times[i] = torch.stack([own[0] for own in by_sentence]) / least
        assert float((times[i] - times[i].round()).abs().max()) < 1e-3
    drawn = times.sum(1)
    assert (drawn.round() == 100).float().mean() > 0.99  # the least weight is a sentence drawn once
    missed = (times == 0).double().mean()
    assert float(missed) == pytest.approx((1 - 1 / 100) ** 100, abs=0.01)
    assert float(times.var()) == pytest.approx(1 - 1 / 100, abs=0.05)
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights, resamples(found, 400, seed=3))
    assert not torch.equal(weights, resamples(found, 400, seed=4))


def test_a_resample_has_two_labels_where_train_has() -> None:
    found = units([1, *[0] * 49], list(range(50)))
    weights = resamples(found, 200, seed=0)
    assert bool((weights[:, 0] > 0).all()) and bool((weights[:, 1:].sum(1) > 0).all())
    alone = resamples(units([0] * 50, list(range(50))), 200, seed=0)
    assert 0.3 < float((alone[:, 0] == 0).float().mean()) < 0.45


def test_a_resample_is_the_split_with_sentences_repeated(make_split: MakeSplit) -> None:
    """Full batches: training with weights equals training on the drawn sentences written out."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(3, (60,), generator=generator)
    activations = torch.randn(60, 6, generator=generator)
    weights = resamples(make_split(activations, labels).units, 1, seed=0)
    times = (weights[0] / weights[0][weights[0] > 0].min()).round().long()
    assert int(times.max()) > 1
    fit = Fit(1e-2, 1e-3, epochs=30, batch_size=1000, lr=0.01)
    one = Probe(torch.zeros(3, 6), torch.zeros(3), l1=1e-2, l2=1e-3)
    (member,) = resampled(one, weights)
    written = make_split(activations.repeat_interleave(times, 0), labels.repeat_interleave(times), n_labels=3)
    there = fit([replace(member, weights=None)], written)[0]
    torch.testing.assert_close(
        fit([member], make_split(activations, labels))[0].weights, there.weights, atol=1e-4, rtol=1e-3
    )


def test_a_label_that_a_resample_lacks_chooses_no_neuron_there(make_split: MakeSplit) -> None:
    split = make_split(torch.zeros(4, 3), torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 1, 2]))
    weights = torch.tensor([[2.0, 2.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    probe = Probe(torch.eye(3), torch.zeros(3))
    lacking, whole = (Evidence(split, split, FIT, 0, probe, own) for own in weights)
    assert lacking.supported.tolist() == [True, False, False] and whole.supported.tolist() == [True, True, True]
    assert Evidence(split, split, FIT, 0, probe).supported.all()
    assert lacking.probe_weights().tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert torch.equal(whole.probe_weights(), probe.weights)
    ranking = lca(lacking)
    assert ranking.massless.tolist() == [False, True, True]
    assert (ranking.first_block, ranking.earned) == (1, 1)
    assert top_sets([ranking], 2).tolist() == [[True, False, False]]


def test_overlap_is_counted_and_its_chance_is_what_random_sets_give() -> None:
    table = NeuronTable((Segment("residual", 0, 10), Segment("residual", 1, 50)))
    weights = torch.zeros(2, 60)
    weights[0, :20], weights[1, 15:35] = torch.arange(20, 0, -1.0), torch.arange(20, 0, -1.0)
    one, other = by_mass(weights[:1]), by_mass(weights[1:])
    found = overlap(top_sets([one, other], 20), table)
    assert found.pairs.tolist() == [5 / 20]
    sets = [one.order[:20], other.order[:20]]
    simulated = [len(set(random(60, 20, s).tolist()) & set(random(60, 20, 9000 + s).tolist())) for s in range(2000)]
    assert found.chance == pytest.approx(np.mean(simulated) / 20, abs=0.01)
    matched = [
        len(set(layer_matched(table, sets[0], s).tolist()) & set(layer_matched(table, sets[1], 9000 + s).tolist()))
        for s in range(2000)
    ]
    assert found.layer_matched == pytest.approx(np.mean(matched) / 20, abs=0.01)
    assert abs(found.layer_matched - found.chance) > 0.02


def test_neurons_of_zero_weight_are_no_agreement() -> None:
    table = NeuronTable((Segment("residual", 0, 40),))
    weights = torch.zeros(2, 40)
    weights[0, [1, 2]], weights[1, [2, 3, 4, 5]] = 1.0, 1.0
    sets = top_sets([by_mass(weights[:1]), by_mass(weights[1:])], 20)
    assert sets.sum(1).tolist() == [2, 4]
    assert overlap(sets, table).pairs.tolist() == [1 / 4]
    assert first_blocks([by_mass(torch.eye(3, 40))]).sum() == 3


def test_planted_neurons_are_found_by_every_seed_and_resample(probe: Probe, planted: Split) -> None:
    trained = make_trained(probe, planted, fit=FIT)
    ranking = trained.ranking
    found = stability(trained, [4, 0.25, 2], seeds=2, n_resamples=5)
    confidence = found.handed[4]
    assert {n for n in range(40) if confidence[n] == 1} == PLANTED and float(confidence.sum()) == 4
    fifths = 5 * found.handed[10]
    assert torch.equal(fifths.round(), fifths) and bool(((fifths > 0) & (fifths < 5)).any())
    assert float(found.handed[10].sum()) == pytest.approx(10)
    for over, pairs in (("seeds", 3), ("resamples", 10)):
        (planted_top,) = select(found.rows, metric="overlap", over=over, k=4, set="top")
        assert (planted_top.value, planted_top.low, planted_top.high) == (1, 1, 1)
        assert planted_top.flags["pairs"] == pairs and planted_top.flags["chance"] == pytest.approx(0.1)
        assert not planted_top.flags.get("unstable")
        assert select(found.rows, metric="overlap", over=over, k=2, set="top")[0].flags["inside_first_block"]
        (wider,) = select(found.rows, metric="overlap", over=over, k=10, set="top")
        assert (
            0.4 <= wider.low <= wider.value < 1 and wider.low <= wider.high and "inside_first_block" not in wider.flags
        )
        (block,) = select(found.rows, metric="overlap", over=over, set="first_block")
        assert block.k == ranking.first_block and 0 < block.low <= block.value <= block.high
        assert {row.solver for row in found.rows} == {"adam"}
    shown = select(found.rows, metric="confidence", k=4)
    assert [row.value for row in shown] == [1] * 4 and [row.flags["rank"] for row in shown] == [1, 2, 3, 4]
    assert {(row.layer, row.neuron) for row in shown} == {(n // 10, n % 10) for n in PLANTED}
    assert select(found.rows, metric="mean_confidence", k=4)[0].value == 1
    top = ranking.order[:10]
    (certain,) = select(found.rows, metric="certain_neurons", k=10)
    assert certain.value == int((found.handed[10][top] >= 0.9).sum()) >= 4


def test_seeds_differ_in_order_and_start_and_resamples_in_start_and_sentences(probe: Probe, planted: Split) -> None:
    calls = []

    class Spy(Fit):
        def __call__(self, members: list[Member], train: Split) -> list[Probe]:
            calls.append((self.order_seed, members))
            return [probe] * len(members)

    fit = Spy(1e-3, 1e-4, seed=5)
    by_seed(make_trained(probe, planted, fit=fit), 3)
    assert [order for order, _ in calls] == [6, 7, 8] == [member.seed for _, (member,) in calls]
    assert fit.order_seed == 5
    assert all((m.l1, m.l2, m.weights) == (1e-3, 1e-4, None) for _, (m,) in calls)
    calls.clear()
    by_resample(make_trained(probe, planted, fit=fit), 4)
    ((order, members),) = calls
    assert order == 5 and len({m.seed for m in members} | {probe.seed}) == 5
    assert len({tuple(m.weights.tolist()) for m in members}) == 4
    ordered = Spy(1e-3, 1e-4, seed=5, shuffle=False)
    assert by_seed(make_trained(probe, planted, fit=ordered), 1).differ == "initialisation"
    assert ordered.with_seed(9).order_seed is None and ordered.with_seed(9).seed == 9


def test_noise_is_unstable_and_said_to_be(make_split: MakeSplit, caplog: pytest.LogCaptureFixture) -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(3, (300,), generator=generator)
    labels[7] = 3  # once: most resamples of 60 sentences lack it about every third time
    split = make_split(torch.randn(300, 200, generator=generator), labels)
    fit = Fit(1e-5, 1e-5, epochs=2, batch_size=64)
    probe = fit([Member(1e-5, 1e-5)], split)[0]
    with caplog.at_level(logging.WARNING):
        rows = stability(make_trained(probe, split, fit=fit), [10], seeds=2, n_resamples=12).rows
    for over in ("seeds", "resamples"):
        (row,) = select(rows, metric="overlap", over=over, set="top")
        assert row.value < 0.3 and row.flags["unstable"]
    assert "raise probe.l1" in caplog.text and "share" in caplog.text
    absent = [int((w[labels == 3] == 0).all()) for w in resamples(split.units, 12, fit.seed)]
    (lacking,) = select(rows, metric="resamples_without_label")
    assert (lacking.label, lacking.value, lacking.flags["support"]) == ("d", sum(absent), 1) and 0 < sum(absent) < 12
    assert select(rows, metric="labels_dropped")[0].value == pytest.approx(sum(absent) / 12)
    assert "left out of its ranking" in caplog.text


def test_confidence_is_a_column_of_the_ranking() -> None:
    table = NeuronTable((Segment("residual", 0, 3),))
    ranking = by_mass(torch.tensor([[1.0, 3.0, 2.0]]))
    written = neurons_csv(ranking, table, ["N"], {1: torch.tensor([0.0, 0.75, 0.25]), 2: torch.ones(3)})
    rows = list(csv.DictReader(StringIO(written.decode())))
    assert [(row["neuron"], row["confidence_top_1"], row["confidence_top_2"]) for row in rows] == [
        ("1", "0.75", "1"), ("2", "0.25", "1"), ("0", "0", "1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Stability, {"sizes": 0.1}, r"callbacks\.stability\.sizes must be a list"),
        (Stability, {"sizes": []}, r"callbacks\.stability\.sizes must be a list"),
        (Stability, {"seeds": 0}, r"callbacks\.stability\.seeds must be a whole number of at least 1"),
        (Stability, {"resamples": 1}, r"callbacks\.stability\.resamples must be a whole number of at least 2"),
        (StableLambdaSearch, {"tolerance": -1}, r"search\.tolerance must be a number from 0 to 1"),
        (StableLambdaSearch, {"resamples": 1}, r"search\.resamples must be a whole number of at least 2"),
        (StableLambdaSearch, {"top": 0}, r"search\.top must be a number"),
    ],
)
def test_bad_settings_are_refused_in_one_line(kind: type, settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(**settings)


def test_what_rankings_would_train_first_is_trained_with_the_resamples_in_one_bank(planted: Split) -> None:
    """And is what each would have trained alone."""
    banks: list[int] = []

    class Counted(Fit):
        def __call__(self, members: Sequence[Member], train: Split) -> list[Probe]:
            banks.append(len(members))
            return super().__call__(members, train)

    fit = Counted(1e-3, 1e-4, epochs=2, batch_size=64, lr=0.01)
    (probe,) = fit([Member(1e-3, 1e-4)], planted)
    ranks = {"ridge": ridge, "lasso": lasso, "probeless": probeless, "rfe": partial(rfe, most=4)}
    evidence = Evidence(planted, planted, fit, 0, probe)
    rankings = {name: rank(evidence) for name, rank in ranks.items()}
    trained = replace(make_trained(probe, planted, fit=fit, rankings=rankings), ranks=ranks)
    banks.clear()
    found = made_again(trained, ["ridge", "lasso", "probeless", "rfe"], 2)
    assert banks[0] == 2 + 2 * 2, "the chosen probe, a ridge and a lasso one, of each resample; rfe's is the ridge one"
    assert banks[1:] == [2, 2], "what rfe trains behind it: 4 and 2 neurons of both resamples"
    own = resamples(planted.units, 2, 0)[1]
    alone = lasso(Evidence(planted, planted, fit, 2, None, own))
    assert torch.equal(found["lasso"][1].order, alone.order)
    alone = rfe(Evidence(planted, planted, fit, 2, None, own), most=4)
    assert torch.equal(found["rfe"][1].order, alone.order)
