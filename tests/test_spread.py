"""Where salient neurons lie and for what: the papers' loop as witness, planted answers, caps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from neuronprobe.activations import Split
from neuronprobe.callbacks import Spread
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit, Member, Probe
from neuronprobe.rankings.lca import by_mass
from neuronprobe.studies import Minimum, Trained, spread
from neuronprobe.studies.spread import MOST_PAIRS, LabelSets
from neuronprobe.types import Result, Row
from tests.conftest import MakeSplit, make_trained

TABLE = NeuronTable(tuple(Segment("residual", layer, 15) for layer in range(4)))


Ranked = Callable[..., Trained]
RowsOf = Callable[..., tuple[Row, ...]]


@pytest.fixture
def ranked(make_split: MakeSplit) -> Ranked:
    """A probe of these weights with its ranking; labels l0, l1 …, of `support` units each."""

    def make(weights: torch.Tensor, table: NeuronTable = TABLE, support: torch.Tensor | int = 30) -> Trained:
        n = len(weights)
        labels = torch.arange(n).repeat_interleave(support)
        train = make_split(torch.zeros(len(labels), len(table)), labels)
        train.neurons = table
        trained = make_trained(Probe(weights, torch.zeros(n)), train)
        return replace(trained, labels=[f"l{i}" for i in range(n)])

    return make


@pytest.fixture
def rows_of(ranked: Ranked) -> RowsOf:
    """Rows of the study of the k most salient neurons."""
    return lambda weights, k, *about, **more: spread(ranked(weights, *about, **more), k).rows


def select(rows: Sequence[Row], **wanted: object) -> list[Row]:
    return [row for row in rows if all(row.as_dict().get(k) == v for k, v in wanted.items())]


def top_for_tag(w: np.ndarray, p: float) -> set[int]:
    """The papers' set of a label at mass p (AAAI 2019 algorithm 1, as NeuroX computes it)."""
    order = np.argsort(-w)
    cumulative = np.cumsum(w[order])
    return set(order[: np.searchsorted(cumulative, p * cumulative[-1]) + 1].tolist())


def the_papers_sets(weights: np.ndarray, k: int) -> tuple[list[set[int]], set[int]]:
    """Raise p until the union over labels holds k neurons (the least such p, by halving); the sets there."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        enough = len(set().union(*(top_for_tag(w, middle) for w in weights))) >= k
        low, high = (low, middle) if enough else (middle, high)
    sets = [top_for_tag(w, high) for w in weights]
    return sets, set().union(*sets)


@pytest.mark.parametrize(("seed", "k"), [(0, 12), (1, 30), (2, 7)])
def test_label_sets_are_those_of_the_papers_loop(rows_of: RowsOf, seed: int, k: int) -> None:
    weights = torch.randn(5, 60, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) ** 3
    sets, union = the_papers_sets(weights.abs().numpy(), k)
    assert len(union) == k
    rows = rows_of(weights, k)
    found = LabelSets.of(by_mass(weights), k)
    assert set(found.neurons.tolist()) == union
    for label, wanted in enumerate(sets):
        assert set(found.neurons[found.served[label]].tolist()) == wanted
        assert select(rows, metric="label_neurons", label=f"l{label}")[0].value == len(wanted)
        own = np.bincount([n // 15 for n in wanted], minlength=4)
        (dominant,) = select(rows, metric="dominant_layer_neurons", label=f"l{label}")
        assert (dominant.layer, dominant.value) == (int(own.argmax()), own.max())
        assert dominant.flags["of"] == len(wanted)
        assert dominant.flags.get("tied", False) == ((own == own.max()).sum() > 1)
        quarter = top_for_tag(weights[label].abs().numpy(), 0.25)
        assert select(rows, metric="mass_neurons", label=f"l{label}")[0].value == len(quarter)
    for a in range(5):
        for b in range(a + 1, 5):
            (row,) = select(rows, metric="shared_neurons", label=f"l{a}", other=f"l{b}")
            both = sets[a] & sets[b]
            assert row.value == len(both) and row.flags["jaccard"] == len(both) / len(sets[a] | sets[b])
            assert row.flags["of_smaller"] == len(both) / min(len(sets[a]), len(sets[b]))
    times = [sum(n in one for one in sets) for n in union]
    assert select(rows, metric="focused_neurons")[0].value == times.count(1)
    assert select(rows, metric="several_labels_neurons")[0].value == sum(t > 1 for t in times)
    served = {row.flags["labels_served"]: row.value for row in select(rows, metric="neurons_by_labels_served")}
    assert served == {t: times.count(t) for t in set(times)}
    for layer in range(4):
        (row,) = select(rows, metric="salient_neurons", layer=layer)
        here = [n for n in union if n // 15 == layer]
        assert row.value == len(here)
        assert row.flags["focused"] == sum(sum(n in one for one in sets) == 1 for n in here)


def test_planted_labels_have_their_own_neurons_and_share_none(planted: Split) -> None:
    torch.set_num_threads(1)
    fit = Fit(1e-2, 1e-4, epochs=15, batch_size=64, lr=0.01, solver="proximal")
    rows = spread(make_trained(fit([Member(1e-2, 1e-4)], planted)[0], planted, fit=fit), 4).rows
    for name, neuron in zip("abcd", (7, 18, 25, 31), strict=True):
        assert select(rows, metric="label_neurons", label=name)[0].value == 1, name
        (dominant,) = select(rows, metric="dominant_layer_neurons", label=name)
        assert (dominant.site, dominant.layer) == ("residual", neuron // 10)
        support = int((planted.units.labels == "abcd".index(name)).sum())
        assert dominant.flags["support"] == support
    assert all(row.value == 0 for row in select(rows, metric="shared_neurons"))
    assert select(rows, metric="focused_neurons")[0].value == 4
    assert {(row.solver, row.l1, row.k, row.share) for row in rows} == {("proximal", 1e-2, 4, 0.1)}


def test_rare_and_massless_labels_are_told_apart(rows_of: RowsOf) -> None:
    weights = torch.zeros(3, 60)
    weights[0, :3], weights[1, 3] = torch.tensor([3.0, 2.0, 1.0]), 1.0
    rows = rows_of(weights, 10, support=torch.tensor([500, 19, 20]))
    assert {(row.k, row.flags["not_earned"]) for row in rows} == {(4, 6)}  # six of ten have no weight: not salient
    labels = {row.label: row for row in select(rows, metric="label_neurons")}
    assert [labels[f"l{i}"].value for i in range(3)] == [3, 1, 0]
    assert [labels[f"l{i}"].flags["support"] for i in range(3)] == [500, 19, 20]
    assert [labels[f"l{i}"].flags.get("rare") for i in range(3)] == [None, True, None]
    (nowhere,) = select(rows, metric="dominant_layer_neurons", label="l2")
    assert (nowhere.value, nowhere.layer) == (0, None)
    assert not select(rows, metric="neurons_by_labels_served", labels_served=0)


def test_roles_of_a_layer_count_together_for_the_dominant_layer(rows_of: RowsOf) -> None:
    table = NeuronTable((Segment("residual", 0, 4), Segment("residual", 1, 4))).with_roles(("head", "modifier"))
    weights = torch.zeros(2, 16)
    weights[0, [0, 1, 4, 5, 12]] = torch.tensor([5.0, 4.0, 3.0, 2.9, 2.8])  # 2 in layer 0, 2 + 1 in layer 1
    weights[1, 9] = 1.0
    rows = rows_of(weights, 6, table)
    (dominant,) = select(rows, metric="dominant_layer_neurons", label="l0")
    assert (dominant.layer, dominant.value) == (1, 3)
    assert [row.value for row in select(rows, metric="salient_neurons")] == [2, 2, 1, 1]


def test_of_many_labels_only_the_pairs_that_share_are_rows_and_the_cap_says_so(rows_of: RowsOf) -> None:
    generator = torch.Generator().manual_seed(0)
    few = torch.zeros(70, 60)
    few[torch.arange(70), torch.arange(70) % 60] = 1.0  # labels 0-9 share their neuron with 60-69
    rows = rows_of(few, 60)
    shared = select(rows, metric="shared_neurons")
    assert {(row.label, row.flags["other"]) for row in shared} == {(f"l{i}", f"l{i + 60}") for i in range(10)}
    (said,) = select(rows, metric="pairs_that_share")
    assert (said.value, said.flags["shown"], said.flags["pairs"]) == (10, 10, 70 * 69 // 2)
    many = torch.rand(90, 60, generator=generator) + 5.0 * (torch.arange(60) < 20)
    rows = rows_of(many, 60)
    shared = select(rows, metric="shared_neurons")
    (said,) = select(rows, metric="pairs_that_share")
    assert said.value > len(shared) == MOST_PAIRS == said.flags["shown"]
    values = [row.value for row in shared]
    assert values == sorted(values, reverse=True)
    counts = LabelSets.of(by_mass(many), 60).shared[torch.triu_indices(90, 90, 1).unbind()]
    assert values[-1] == float(counts.sort(descending=True).values[MOST_PAIRS - 1])


def after_minimal_sets(trained: Trained, *minima: Minimum) -> Result:
    """The callback with size minimal_set, behind a study that found these."""
    study = Spread("minimal_set")
    assert study.needs == ("minimal_set",) and Spread(0.05).needs == ()
    return study.study(trained, minimal_set=Result((), handed=minima))


def top_probe(k: int) -> Probe:
    return Probe(torch.zeros(3, k), torch.zeros(3))


@pytest.fixture
def weights() -> torch.Tensor:
    return torch.randn(3, 60, generator=torch.Generator().manual_seed(0))


def test_where_no_set_is_within_the_tolerance_no_neuron_is_salient(ranked: Ranked, weights: torch.Tensor) -> None:
    found = after_minimal_sets(ranked(weights), Minimum(0.005, None), Minimum(0.01, None))
    (row,), (table,) = found.rows, found.tables
    assert (row.study, row.metric, row.value, row.k) == ("spread", "neurons", 0.0, 0)
    assert dict(row.flags) == {"tolerance": 0.01, "within_tolerance": False}
    assert table.heading == "Labels: no neurons count as salient"
    assert table.body == (("No top set that was tried is within 0.01 of the oracle on dev.",),)


def test_the_tolerance_that_was_taken_is_in_rows_and_heading(ranked: Ranked, weights: torch.Tensor) -> None:
    minima = (Minimum(0.005, None), Minimum(0.01, top_probe(9)), Minimum(0.02, top_probe(4)))
    found = after_minimal_sets(ranked(weights), *minima)
    assert {(row.k, row.flags["tolerance"]) for row in found.rows} == {(9, 0.01)}
    heading = "Labels: whose neurons the 9 salient ones are"
    assert found.tables[0].heading == f"{heading} (the minimal set for a tolerance of 0.01)"
    found = spread(ranked(weights), 9)
    assert all("tolerance" not in row.flags for row in found.rows) and found.tables[0].heading == heading


def test_the_heat_maps_hold_what_the_rows_hold(ranked: Ranked, weights: torch.Tensor) -> None:
    found = spread(ranked(weights), 12)
    by_layer, by_label = found.figures
    own = {row.label: row.value for row in found.rows if row.metric == "label_neurons"}
    assert {series.name: sum(y or 0 for y in series.y) for series in by_layer.series} == own
    shared = {(row.label, row.flags["other"]): row.value for row in found.rows if row.metric == "shared_neurons"}
    for series in by_label.series:
        cells = dict(zip(series.x, series.y, strict=True))
        assert cells[series.name] == own[series.name]
        assert all(cells[other] == value for (label, other), value in shared.items() if label == series.name)
