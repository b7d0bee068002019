"""Control tasks against their stated distribution; selectivity on data whose answer is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from scipy.stats import t as student
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.callbacks import LambdaSearch, MinimalSet, NeuronRanking, Selectivity
from neuronprobe.errors import InputError
from neuronprobe.probes import Fit, Member, Probe, score
from neuronprobe.properties import WordProperty
from neuronprobe.rankings.lca import by_mass
from neuronprobe.studies import Minimum, selectivity
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.types import Result, Row, Units
from tests.conftest import MakeSplit, labels_named, make_trained

SETTINGS: dict[str, Any] = {"l1": 1e-5, "l2": 1e-5, "epochs": 12, "batch_size": 250, "lr": 0.05, "seed": 2}
FIT = Fit(**SETTINGS)
N_TYPES, EACH = 40, 25


def units(types: Sequence[str], labels: Tensor) -> Units:
    n = len(types)
    return Units(torch.arange(n)[:, None], labels, torch.arange(n) // 5, tuple(types), (n + 4) // 5)


def test_control_labels_follow_the_distribution_of_trains_units() -> None:
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    labels = torch.repeat_interleave(torch.arange(4), (1000 * shares).long())
    train = units(["the"] * 1000, labels)
    words = units([f"word{i}" for i in range(8000)], torch.zeros(8000, dtype=torch.long))
    drawn = labels_named(4).control(words, train, seed=3)
    assert chisquare(torch.bincount(drawn, minlength=4), 8000 * shares).pvalue > 0.001
    other = labels_named(4).control(words, train, seed=4)
    chance = float((shares**2).sum())  # two draws agree as often as independent ones
    assert float((drawn == other).double().mean()) == pytest.approx(chance, abs=0.02)


def test_a_type_has_one_label_in_all_splits_whatever_else_they_hold() -> None:
    train = units(["a", "b", "a", "C", "c"] * 20, torch.arange(100) % 7)
    first = labels_named(7).control(train, train, seed=0)
    by_type = {kind: set(first[[i for i, t in enumerate(train.types) if t == kind]].tolist()) for kind in "abCc"}
    assert all(len(labels) == 1 for labels in by_type.values())
    dev = units(["c", "new", "b"], torch.tensor([-1, 0, 1]))
    again = labels_named(7).control(dev, train, seed=0)
    assert (again[0].item(), again[2].item()) == (*by_type["c"], *by_type["b"])
    assert again[1] == labels_named(7).control(units(["new"], torch.tensor([3])), train, seed=0)[0]
    cases = units([f"{c}{i}" for i in range(50) for c in "aA"], torch.zeros(100, dtype=torch.long))
    drawn = labels_named(7).control(cases, train, seed=0)
    assert not torch.equal(drawn[::2], drawn[1::2])  # case-sensitive


def test_a_label_that_train_never_has_is_never_drawn() -> None:
    train = units(["x"] * 60, torch.tensor([1, 3] * 30))
    words = units([str(i) for i in range(500)], torch.zeros(500, dtype=torch.long))
    assert set(labels_named(6).control(words, train, seed=0).tolist()) == {1, 3}


def typed(make_split: MakeSplit, seed: int, labels: Tensor | None, spread: float) -> Split:
    """1,000 units of 40 equally frequent types, a vector per type plus noise; labels by type unless given."""
    types = torch.arange(N_TYPES).repeat(EACH)
    vectors = torch.randn(N_TYPES, 60, generator=torch.Generator().manual_seed(99))
    noise = torch.randn(len(types), 60, generator=torch.Generator().manual_seed(seed))
    activations = vectors[types] * spread + 0.3 * noise
    by_type = torch.randint(4, (N_TYPES,), generator=torch.Generator().manual_seed(7))
    if labels is not None:
        activations[:, :4] += 3 * torch.nn.functional.one_hot(labels, 4)
    split = make_split(activations, by_type[types] if labels is None else labels, n_labels=4)
    split.units = replace(split.units, types=tuple(f"type {t}" for t in types.tolist()))
    return split


def study(train: Split, test: Split, fit: Fit = FIT, k: int = 0, draws: int = 3) -> tuple[Result, Probe, list[Minimum]]:
    torch.set_num_threads(1)
    oracle = FIT([Member(1e-5, 1e-5, 5)], train)[0]
    ranking = by_mass(oracle.weights)
    minima = [Minimum(0.01, FIT([Member(1e-5, 1e-5, 5, ranking.order[:k])], train)[0])] if k else []
    trained = make_trained(oracle, train, {"dev": train, "test": test}, fit, {"lca": ranking})
    return selectivity(trained, minima, draws), oracle, minima


def one(found: Result, **wanted: object) -> Row:
    (row,) = [r for r in found.rows if all(r.as_dict().get(key) == value for key, value in wanted.items())]
    return row


def test_a_property_that_is_itself_a_random_map_of_types_has_no_selectivity(make_split: MakeSplit) -> None:
    train, test = (typed(make_split, seed, None, spread=1.0) for seed in (1, 2))
    found, _, _ = study(train, test)
    assert one(found, metric="mean_accuracy", set="all", split="test").value > 0.95  # types are memorisable
    assert one(found, metric="selectivity", set="all", split="test").value == pytest.approx(0, abs=0.03)
    assert one(found, metric="known_types", split="test").value == 1


def test_labels_that_neurons_carry_beside_the_word_are_selective(make_split: MakeSplit) -> None:
    drawn = [torch.randint(4, (1000,), generator=torch.Generator().manual_seed(s)) for s in (3, 4)]
    train, test = (typed(make_split, s, labels, spread=0.0) for s, labels in zip((1, 2), drawn, strict=True))
    found, _, _ = study(train, test)
    control = one(found, metric="mean_accuracy", set="all", split="test").value
    assert control < 0.45  # without a trace of the word only the frequent label can be guessed
    row = one(found, metric="selectivity", set="all", split="test")
    assert row.value > 0.5 and 0.5 < row.low < row.value < row.high


def test_labels_and_activations_that_know_nothing_of_each_other_are_not_selective(make_split: MakeSplit) -> None:
    def noise(seed: int) -> Split:
        generator = torch.Generator().manual_seed(seed)
        split = make_split(torch.randn(1000, 20, generator=generator), torch.randint(2, (1000,), generator=generator))
        split.units = replace(split.units, types=tuple(f"type {i}" for i in range(1000)))  # each once: uniform
        return split

    found, _, _ = study(noise(1), noise(2), draws=4)
    assert one(found, metric="selectivity", set="all", split="test").value == pytest.approx(0, abs=0.05)


def test_all_controls_are_one_bank_with_the_property_probes_settings(make_split: MakeSplit) -> None:
    banks: list[Sequence[Member]] = []

    class Noting(Fit):
        def __call__(self, members: Sequence[Member], train: Split) -> list[Probe]:
            banks.append(members)
            return super().__call__(members, train)

    train, test = (typed(make_split, seed, None, spread=1.0) for seed in (1, 2))
    test = test.relabelled(test.units.labels.clamp(max=1))  # another distribution, which must not matter for the map
    found, oracle, minima = study(train, test, Noting(**SETTINGS), k=6)
    ((*members,),) = banks
    assert len(members) == 3 * 2
    assert {(m.l1, m.l2, m.seed) for m in members} == {(oracle.l1, oracle.l2, oracle.seed)} == {(1e-5, 1e-5, 5)}
    kept = [None if m.neurons is None else m.neurons.tolist() for m in members]
    assert kept == [None, minima[0].probe.neurons.tolist()] * 3
    assert len({tuple(m.labels.tolist()) for m in members}) == 3

    labels = members[0].labels  # the map, one type at a time
    for kind in ("type 0", "type 17"):
        assert len({int(labels[i]) for i, t in enumerate(train.units.types) if t == kind}) == 1
    for place, probe, about in ((0, oracle, {"set": "all"}), (1, minima[0].probe, {"set": "top", "k": 6})):
        by_hand = []
        for draw in range(3):
            own = {t: int(v) for t, v in zip(train.units.types, members[2 * draw].labels, strict=True)}
            wanted = torch.tensor([own[t] for t in test.units.types])
            alone = FIT([members[2 * draw + place]], train)
            by_hand.append(score(alone, test.relabelled(wanted)))
            row = one(found, metric="accuracy", draw=draw, split="test", **about)
            assert row.value == pytest.approx(float(by_hand[-1].accuracy), abs=0.003)
        accuracies = torch.cat([s.accuracy for s in by_hand])
        mine = score([probe], test)
        row = one(found, metric="selectivity", split="test", **about)
        assert row.value == pytest.approx(float(mine.accuracy - accuracies.mean()), abs=0.003)
        assert row.flags["n_draws"] == 3
        assert row.flags["deviation"] == pytest.approx(float(accuracies.std()), abs=0.003)
        correct = torch.cat([s.correct for s in by_hand])
        gain = mine.correct[0] - correct.double().mean(0)
        low, high = Bootstrap(mine.units, 2).ends(gain[None])[0].tolist()
        around = student.ppf(0.975, 2) * float(accuracies.std()) / 3**0.5  # three draws of the control task
        ends = row.value - np.hypot(row.value - low, around), row.value + np.hypot(high - row.value, around)
        assert [row.low, row.high] == pytest.approx(ends, abs=0.005)


def test_a_tolerance_without_a_set_says_so(make_split: MakeSplit) -> None:
    train = typed(make_split, 1, None, spread=1.0)
    oracle = FIT([Member(1e-5, 1e-5)], train)[0]
    minima = [Minimum(0.01, None)]
    found = selectivity(make_trained(oracle, train, {"test": train}, FIT), minima, 3)
    row = one(found, metric="selectivity", set="top", tolerance=0.01)
    assert row.value is None and row.flags["within_tolerance"] is False


def test_a_property_without_control_task_is_refused_before_the_work() -> None:
    callbacks = [LambdaSearch(), NeuronRanking(), MinimalSet(), Selectivity()]
    sentences = SimpleNamespace(name="sentiment", has_control_task=False)
    table = SimpleNamespace(neurons=range(10))
    data = SimpleNamespace(prop=sentences, split=lambda name: table)
    trainer = SimpleNamespace(callbacks=callbacks, datamodule=data)
    with pytest.raises(InputError, match=r"got sentiment, which has no control task; add ~callbacks\.selectivity"):
        callbacks[-1].on_fit_start(trainer, None)
    data.prop = WordProperty("upos")
    callbacks[-1].on_fit_start(trainer, None)
    data.prop = SimpleNamespace(name="a plug-in that says nothing")
    callbacks[-1].on_fit_start(trainer, None)
    with pytest.raises(InputError, match="draws must be a whole number of at least 3, got 2"):
        Selectivity(draws=2)


def test_frequencies_are_of_units_not_of_types() -> None:
    labels = torch.tensor([0] * 90 + [1] * 10)
    train = units(["often"] * 90 + [f"rare {i}" for i in range(10)], labels)
    words = units([str(i) for i in range(2000)], torch.zeros(2000, dtype=torch.long))
    counts = Counter(labels_named(2).control(words, train, seed=0).tolist())
    assert counts[0] / 2000 == pytest.approx(0.9, abs=0.03)
