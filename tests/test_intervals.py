"""Intervals of what has random draws in it: their rate on planted populations, and each part by hand."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import config
from rich.console import Console
from scipy.stats import binomtest, t

from benchmarks.verdict import Population, coverage, job_difference, permutation, plant, study_rows
from neuronprobe.jobs.files import assemble, write_results
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit, Member, score
from neuronprobe.report.compare import compare
from neuronprobe.studies import selectivity
from neuronprobe.studies.intervals import Bootstrap, _drawn, difference_spreads, over_draws
from neuronprobe.studies.sets import neuron_sets
from neuronprobe.types import Row
from tests.conftest import MakeSplit, make_trained

SIMULATIONS = 250


@pytest.fixture(scope="module")
def population() -> Population:
    """Counts of 500 sets of two sizes on 2,000 sentences."""
    return plant(2_000, 500)


@pytest.fixture
def unchecked() -> Iterator[None]:
    """No check of shapes, which takes most of the time of many simulations."""
    torch.set_num_threads(1)
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("draws", [39, 5])
def test_intervals_over_sentences_and_draws_cover_the_truth_at_their_rate(draws: int, population: Population) -> None:
    hits = coverage(population, draws, SIMULATIONS)
    assert len(hits) == 8
    for name, held in hits.items():
        assert binomtest(held, SIMULATIONS, 0.95).pvalue > 0.005, (name, held)


def test_random_sets_are_unlike_enough_for_their_draws_to_matter(population: Population) -> None:
    for own in population.sets:
        assert 0.05 < float((own.sum(1) / population.units.sum()).std()) < 0.08


def by_hand(sample: Population, weights: dict[str, torch.Tensor], spreads: list[torch.Tensor]) -> tuple[float, float]:
    """The interval of Σ weight · correct over sentences, widened by that of the draws, from its definition."""
    units = sample.units.double()
    combined = sum((own for own in weights.values()), torch.zeros(len(units), dtype=torch.float64))
    value = float(combined.sum() / units.sum())
    times = _drawn(len(units), 1000, 3).double()
    low, high = np.quantile(((times @ combined) / (times @ units)).numpy(), [0.025, 0.975])
    variances = [float(own.var()) / len(own) for own in spreads]
    freedom = sum(variances) ** 2 / sum(v**2 / (len(own) - 1) for v, own in zip(variances, spreads, strict=True))
    around = t.ppf(0.975, freedom) * sum(variances) ** 0.5
    return value - np.hypot(value - low, around), value + np.hypot(high - value, around)


def test_differences_losses_and_areas_are_widened_as_defined(population: Population) -> None:
    sample = population.sample((5, 9), torch.Generator().manual_seed(1))
    units, top = sample.units.sum(), sample.single["top"].double()
    means = [own.double().mean(0) for own in sample.sets]
    accuracies = [own.sum(1).double() / units for own in sample.sets]
    wanted = {
        ("accuracy_difference", "top", 10): ({"top": top, "random": -means[0]}, [accuracies[0]]),
        ("accuracy_lost", "random", 20): ({"o": sample.single["oracle"].double(), "r": -means[1]}, [accuracies[1]]),
        ("area", "random", None): ({"10": means[0] / 2, "20": means[1] / 2}, [own / 2 for own in accuracies]),
        ("area_difference", "top", None): (
            {"top": top, "10": -means[0] / 2, "20": -means[1] / 2}, [own / 2 for own in accuracies],
        ),
    }  # fmt: skip
    seen = 0
    for row in study_rows(sample, 3):
        key = (row.metric, row.set, row.k)
        if key in wanted and row.flags.get("against") in (None, "random"):
            assert (row.low, row.high) == pytest.approx(by_hand(sample, *wanted[key]), abs=1e-9), key
            seen += 1
    assert seen == len(wanted)


def test_what_has_no_draws_in_it_has_the_interval_over_sentences_alone(population: Population) -> None:
    sample = population.sample((5, 5), torch.Generator().manual_seed(1))
    (row,) = [row for row in study_rows(sample, 3) if row.flags.get("against") == "majority" and row.k == 10]
    gain = sample.single["top"] - sample.single["majority"]
    assert [row.low, row.high] == pytest.approx(Bootstrap(sample.units, 3).ends(gain[None])[0].tolist())


def test_a_single_draw_has_no_interval(population: Population, tmp_path: Path) -> None:
    sample = population.sample((1, 1), torch.Generator().manual_seed(1))
    for row in study_rows(sample, 3):
        has_draw = row.set == "random" and row.metric.startswith(("area", "accuracy_lost"))
        if has_draw or row.flags.get("against") == "random":
            assert (row.low, row.high) == (None, None), row
    assert job_difference(sample, tmp_path).ends is None
    assert over_draws((0.1, 0.3), 0.2, [(1.0, torch.rand(9)), (-1.0, torch.rand(1))]) is None
    assert over_draws((0.1, 0.3), 0.2, []) == (0.1, 0.3)


def test_the_spread_is_students_t_with_the_degrees_of_freedom_of_all_draws() -> None:
    few, many = (torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(n)) for n in (3, 30))
    low, high = over_draws((1.0, 1.0), 1.0, [(2.0, few)]) or (0.0, 0.0)
    error = float(few.std()) / 3**0.5
    assert (1 - low, high - 1) == pytest.approx((2 * t.ppf(0.975, 2) * error,) * 2)
    low, high = over_draws((1.0, 1.0), 1.0, [(1.0, few), (-1.0, many)]) or (0.0, 0.0)
    parts = [float(own.var()) / len(own) for own in (few, many)]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 29)
    assert high - 1 == pytest.approx(t.ppf(0.975, freedom) * sum(parts) ** 0.5)


def test_draws_of_two_jobs_are_paired_where_both_have_as_many(population: Population, tmp_path: Path) -> None:
    sample = population.sample((9, 9), torch.Generator().manual_seed(1))
    near = replace(sample, sets=(sample.sets[0], (sample.sets[0] - 1).clamp_min(0)))  # the same sets, a little worse
    paired = job_difference(near, tmp_path)
    fewer = job_difference(replace(near, sets=(near.sets[0], near.sets[1][:8])), tmp_path)
    assert paired.draws == (9, 9) and fewer.draws == (9, 8)
    assert paired.ends is not None and fewer.ends is not None
    assert paired.ends[1] - paired.ends[0] < 0.3 * (fewer.ends[1] - fewer.ends[0])
    first, second = (torch.rand(n, dtype=torch.float64) for n in (6, 4))
    assert [weight for weight, _ in difference_spreads(first, second)] == [1.0, -1.0]
    ((weight, values),) = difference_spreads(first, first.flip(0))
    assert weight == 1.0 and torch.equal(values, first - first.flip(0))


@pytest.mark.parametrize("seeds", [(0, 0), (0, 1)])
def test_control_tasks_of_other_seeds_are_left_out_with_a_remark(seeds: tuple[int, int], tmp_path: Path) -> None:
    units = np.random.default_rng(0).integers(1, 12, 150)
    for name, seed in zip(("first", "second"), seeds, strict=True):
        (tmp_path / name).mkdir()
        drawn = np.random.default_rng(seed).binomial(units, 0.4, (3, 150))
        arrays = {"units": units, "oracle": units, "selectivity/control-all": drawn}
        np.savez(tmp_path / name / "predictions.npz", **arrays)
        rows = [Row("oracle", "accuracy", 0.5, k=96)]
        write_results(tmp_path / name, assemble("ok", {"seed": seed}, rows))
    said = io.StringIO()
    found = [one.probe for one in compare(tmp_path / "first", tmp_path / "second", Console(file=said, width=200))]
    assert found == ["oracle", *(["selectivity/control-all"] if seeds == (0, 0) else [])]
    assert ("1 control accuracies are left out" in said.getvalue()) == (seeds == (0, 1))


def test_selectivity_has_the_spread_over_its_control_tasks(make_split: MakeSplit) -> None:
    types = torch.arange(40).repeat(10)
    vectors = torch.randn(40, 12, generator=torch.Generator().manual_seed(1))
    splits = {}
    for name, seed in (("train", 2), ("test", 3)):
        noise = torch.randn(400, 12, generator=torch.Generator().manual_seed(seed))
        split = make_split(vectors[types] + noise, types % 3, sentences=torch.arange(400) // 4)
        split.units = replace(split.units, types=tuple(f"type {kind}" for kind in types.tolist()))
        splits[name] = split
    fit = Fit(l1=1e-5, l2=1e-5, epochs=2, batch_size=100, lr=0.05, seed=3)
    (probe,) = fit([Member(1e-5, 1e-5)], splits["train"])
    for draws in (4, 1):
        found = selectivity(make_trained(probe, splits["train"], {"test": splits["test"]}, fit), [], draws)
        (row,) = [row for row in found.rows if row.metric == "selectivity"]
        accuracies = torch.tensor([row.value for row in found.rows if row.metric == "accuracy"], dtype=torch.float64)
        assert len(accuracies) == draws
        if draws == 1:
            assert (row.low, row.high) == (None, None)
            continue
        own = score([probe], splits["test"])
        controls = found.correct["selectivity/control-all"].double()
        single = {"own": own.correct[0].double(), "controls": -controls.mean(0)}
        sample = Population(own.units, {}, ())
        assert (row.low, row.high) == pytest.approx(by_hand(sample, single, [accuracies]), abs=1e-6)


TABLE = NeuronTable(tuple(Segment("residual", layer, 25) for layer in range(4)))


def sets_of(seed: int, ks: tuple[int, ...] = (10, 20, 40)) -> dict[tuple[str, int, int | None], frozenset[int]]:
    rankings, names = {"drawn": permutation(100, 5)}, ("top", "random", "layer_matched")
    found = neuron_sets(rankings, TABLE, dict.fromkeys(ks, 30), names, seed)
    return {(s.name, s.k, s.draw): frozenset(s.neurons.tolist()) for s in found}


def test_random_sets_of_one_size_do_not_lie_in_those_of_another() -> None:
    found = sets_of(0)
    assert all(len(chosen) == k for (_, k, _), chosen in found.items())
    for name in ("random", "layer_matched"):
        for small, large in ((10, 20), (20, 40)):
            shared = [len(found[name, small, draw] & found[name, large, draw]) for draw in range(30)]
            chance = small * large / 100
            assert max(shared) < small and abs(np.mean(shared) - chance) < 0.2 * chance
        assert len({found[name, 20, draw] for draw in range(30)}) == 30
    assert all(found["random", k, d] != found["layer_matched", k, d] for k in (10, 20, 40) for d in range(30))
    matched = found["layer_matched", 20, 0]
    assert TABLE.counts(torch.tensor(sorted(matched))).tolist() == TABLE.counts(permutation(100, 5).order[:20]).tolist()


def test_random_sets_of_different_kinds_are_not_the_same_draws() -> None:
    one_layer = NeuronTable((Segment("residual", 0, 100),))  # here both kinds draw from all neurons
    found = neuron_sets({"drawn": permutation(100, 5)}, one_layer, {20: 30}, ("random", "layer_matched"), 0)
    drawn = [frozenset(chosen.neurons.tolist()) for chosen in found]
    assert len(drawn) == len(set(drawn)) == 60


def test_sets_are_those_of_their_seed_whatever_else_is_drawn() -> None:
    first, other = sets_of(0), sets_of(1)
    assert first == sets_of(0)
    assert all(first["random", 10, draw] != other["random", 10, draw] for draw in range(30))
    assert all(first[key] == chosen for key, chosen in sets_of(0, (20,)).items())


def test_resamples_are_drawn_once_for_all_probes() -> None:
    units = torch.randint(1, 9, (80,), generator=torch.Generator().manual_seed(0))
    correct = torch.stack([units // 2, units - 1, units])
    _drawn.cache_clear()
    values = Bootstrap(units, 4).values(correct)
    for i in range(3):
        assert torch.equal(Bootstrap(units, 4).values(correct[i : i + 1])[:, 0], values[:, i])
    difference = Bootstrap(units, 4).values(correct[1:2] - correct[:1])[:, 0]
    assert torch.allclose(difference, values[:, 1] - values[:, 0])
    assert _drawn.cache_info().misses == 1 and (values[:, 2] == 1).all()
    assert int(_drawn(80, 1000, 4).sum()) == 80 * 1000
    assert not torch.equal(Bootstrap(units, 5).values(correct), values)


MEMORY = """
from pathlib import Path
import torch
from neuronprobe.studies.intervals import Bootstrap
def kibibytes(name):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if name in line)
torch.set_num_threads(1)
units = torch.randint(1, 40, (100_000,))
correct = torch.stack([units // 2, units // 3, units - 1, units]).int()
before = kibibytes("VmRSS")
ends = [Bootstrap(units, 0).ends(correct) for _ in range(2)]
assert (ends[0] == ends[1]).all()
print(kibibytes("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc; un-skip where there is one")
def test_a_thousand_resamples_of_100_000_sentences_take_at_most_half_a_gibibyte() -> None:
    said = subprocess.run([sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True).stdout
    assert int(said) / 2**20 <= 0.5
