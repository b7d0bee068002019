"""λ search by stability: the choice by hand, and what it trains."""

from __future__ import annotations

import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neuronprobe.activations import Split
from neuronprobe.callbacks import StableLambdaSearch
from neuronprobe.probes import Fit, Member, Probe, score
from neuronprobe.rankings import lca
from neuronprobe.rankings.lca import by_mass
from neuronprobe.studies import Grid, StableChoice, lambda_search, stable_lambda
from neuronprobe.studies.overlap import Overlap
from neuronprobe.studies.resamples import resampled, resamples
from neuronprobe.studies.stable_lambda import rechosen
from neuronprobe.types import Row


def select(rows: tuple[Row, ...] | list[Row], **wanted: object) -> list[Row]:
    return [row for row in rows if all(row.as_dict().get(k) == v for k, v in wanted.items())]


def grid(probes: list[Probe], planted: Split) -> Grid:
    return Grid(probes, {"train": planted, "dev": planted, "test": planted})


GRID = Fit([0.0, 1e-3, 1e-2], 0.0, epochs=2, batch_size=64, lr=0.01)


def test_the_most_stable_of_the_accurate_pairs_is_chosen(planted: Split) -> None:
    torch.set_num_threads(1)
    probes = GRID(GRID.grid(), planted)
    accuracy = score(probes, planted).accuracy
    found = stable_lambda(grid(probes, planted), GRID, lca, tolerance=1.0, share=0.25, n_resamples=3)
    compared = select(found.rows, metric="overlap")
    assert [(row.l1, row.l2) for row in compared] == GRID.pairs
    weights = resamples(planted.units, 3, GRID.seed)
    by_hand = []
    for probe in probes:  # trained alone, read as sets
        tops = [set(by_mass(one.weights).order[:10].tolist()) for one in GRID(resampled(probe, weights), planted)]
        by_hand.append(np.mean([len(tops[a] & tops[b]) / 10 for a, b in ((0, 1), (0, 2), (1, 2))]))
    assert [row.value for row in compared] == pytest.approx(by_hand)
    assert len(set(by_hand)) > 1
    best = max(range(len(probes)), key=lambda i: (by_hand[i], float(accuracy[i])))
    assert found.chosen == best and [row.flags["chosen"] for row in compared] == [i == best for i in range(len(probes))]
    (given_up,) = select(found.rows, metric="accuracy_given_up")
    assert given_up.value == pytest.approx(float(accuracy.max() - accuracy[best]))


def test_pairs_outside_the_grid_are_not_trained_and_those_beyond_the_tolerance_not_chosen(planted: Split) -> None:
    torch.set_num_threads(1)
    probes = [Probe(torch.zeros(4, 40), torch.zeros(4), l1=1.0), *GRID(GRID.grid(), planted)]
    trained: Counter[tuple[float, float]] = Counter()

    class Spy(Fit):
        def __call__(self, members: list[Member], train: Split) -> list[Probe]:
            trained.update((m.l1, m.l2) for m in members)
            return super().__call__(members, train)

    fit = Spy([1.0, 1e-3, 1e-2], 0.0, epochs=1, batch_size=512)
    found = stable_lambda(grid(probes, planted), fit, lca, tolerance=0.05, share=0.1, n_resamples=2)
    assert trained == {(1.0, 0.0): 2, (1e-3, 0.0): 2, (1e-2, 0.0): 2}
    assert probes[found.chosen].l1 in (1e-3, 1e-2)
    rows = lambda_search(grid(probes, planted), fit, lca).rows
    marked = rechosen(rows, probes[0])
    assert {(row.l1, row.l2) for row in marked if row.flags["chosen"]} == {(1.0, 0.0)}
    assert not select(marked, metric="accuracy_given_up") and len(marked) == len(rows) - 2


@pytest.mark.parametrize(("margin", "chosen"), [(0.0, 1), (0.05, 2), (0.2, 3), (1.0, 3)])
def test_of_overlaps_that_are_nearly_the_largest_the_sparsest_is_chosen(
    margin: float, chosen: int, planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = [Probe(torch.zeros(4, 40), torch.zeros(4), l1=l1) for l1 in (1e-4, 1e-3, 1e-2, 1e-1)]
    shared = iter([0.6, 0.9, 0.86, 0.75])
    found = [Overlap(torch.tensor([next(shared)]), 0.1, 0.1) for _ in probes]
    monkeypatch.setattr(sys.modules[stable_lambda.__module__], "_overlaps", lambda *_: found)
    fit = Fit([probe.l1 for probe in probes], 0.0)
    assert stable_lambda(grid(probes, planted), fit, lca, 1.0, 0.1, 2, margin=margin).chosen == chosen


@pytest.mark.parametrize("choice", [0, 1, 2])
def test_the_callback_keeps_the_stable_probe_whatever_s_prefers(
    choice: int, planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    where = "neuronprobe.callbacks.stable_lambda.stable_lambda"
    monkeypatch.setattr(where, lambda *_: StableChoice(choice, ()))
    trainer = SimpleNamespace(datamodule=SimpleNamespace(split=lambda _: planted, target=planted.target))
    search = StableLambdaSearch()
    search.begin(GRID, {"lca": lca})
    rows = search.run(trainer, GRID.bank(GRID.grid(), planted)).rows
    pair = GRID.pairs[choice]
    assert (search.trained.probe.l1, search.trained.probe.l2) == pair
    assert {(row.l1, row.l2) for row in rows if row.flags.get("chosen") or row.study == "oracle"} == {pair}
