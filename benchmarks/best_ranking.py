"""How often a best ranking is named that is none, and one that is: `python benchmarks/best_ranking.py [KIND …]`.

Planted activations, new ones in each simulation (300 sentences of 1 to 9 units in each split, 300 neurons of which 60
carry four labels more or less), and the study `compare_rankings` on them, judged by ridge probes:
`drawn`: 20 random rankings, which are drawn anew when rankings are made again; `fixed`: 20 random rankings that always
are the same; `best`: one that knows which neurons carry labels, and 19 that miss some of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import torch

from neuronprobe.activations import Split
from neuronprobe.activations.held import HeldStore
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit, Member
from neuronprobe.quiet import quiet
from neuronprobe.rankings import Evidence, Rank
from neuronprobe.studies import Trained, compare_rankings
from neuronprobe.targets import Labels
from neuronprobe.types import Ranking, Row, Units

N_NEURONS, N_CARRIERS, N_LABELS, N_SENTENCES, N_RANKINGS = 300, 60, 4, 300, 20
SIZES = (0.05, 0.1, 0.15, 0.2)
SMALL = 0.1
MISSED, OFF = 0.8, 0.05
"""What share of the neurons that carry labels a ranking misses that is not the best, always the same ones; and the
deviation of the logarithm by which what is known is off, anew when a ranking is made again.
"""


def plant(generator: torch.Generator) -> tuple[dict[str, Split], torch.Tensor]:
    """Train, dev and test of one population; and how much each neuron carries."""
    carried = torch.zeros(N_NEURONS)
    where = torch.randperm(N_NEURONS, generator=generator)[:N_CARRIERS]
    carried[where] = 0.2 + 0.3 * torch.rand(N_CARRIERS, generator=generator)
    signs = torch.randn(N_LABELS, N_NEURONS, generator=generator).sign()
    return {name: _split(carried * signs, generator) for name in ("train", "dev", "test")}, carried


def _split(means: torch.Tensor, generator: torch.Generator) -> Split:
    sentences = torch.repeat_interleave(
        torch.arange(N_SENTENCES), torch.randint(1, 10, (N_SENTENCES,), generator=generator)
    )
    n = len(sentences)
    topic = torch.randint(N_LABELS, (N_SENTENCES,), generator=generator)[sentences]
    own = torch.randint(N_LABELS, (n,), generator=generator)
    labels = torch.where(torch.rand(n, generator=generator) < 0.3, topic, own)  # units of a sentence are alike
    noise = torch.randn(n, N_NEURONS, generator=generator)
    shared = 0.5 * torch.randn(N_SENTENCES, N_NEURONS, generator=generator)[sentences]
    units = Units(torch.arange(n)[:, None], labels, sentences, tuple(map(str, range(n))), N_SENTENCES)
    table = NeuronTable((Segment("planted", 0, N_NEURONS),))
    return Split(units, HeldStore(means[labels] + noise + shared), table, Labels(tuple("abcd")))


def in_order(name: str, keys: torch.Tensor) -> Ranking:
    """All neurons, the largest key first, all of them earned."""
    keys = keys.double() - keys.min() + 1
    return Ranking.from_scores(name, keys, own=keys.expand(N_LABELS, -1))


def random_ranking(name: str, seed: int, is_fixed: bool) -> Rank:
    def rank(evidence: Evidence) -> Ranking:
        generator = torch.Generator().manual_seed(seed if is_fixed else 1009 * seed + evidence.seed)
        return in_order(name, torch.rand(N_NEURONS, generator=generator))

    return rank


def knowing_ranking(name: str, seed: int, carried: torch.Tensor, missed: float) -> Rank:
    def rank(evidence: Evidence) -> Ranking:
        knows = torch.rand(N_NEURONS, generator=torch.Generator().manual_seed(seed)) >= missed
        generator = torch.Generator().manual_seed(1009 * seed + evidence.seed)
        off = (OFF * torch.randn(N_NEURONS, generator=generator)).exp()
        return in_order(name, carried * knows * off + 1e-3 * torch.rand(N_NEURONS, generator=generator))

    return rank


def ranks_of(kind: str, seed: int, carried: torch.Tensor) -> dict[str, Rank]:
    """The rankings of one simulation, by name."""
    names = [f"ranking_{i}" for i in range(N_RANKINGS)]
    seeds = [N_RANKINGS * seed + i for i in range(N_RANKINGS)]
    if kind == "best":
        own = [knowing_ranking(name, s, carried, MISSED) for name, s in zip(names[1:], seeds, strict=False)]
        ranks: list[Rank] = [knowing_ranking(names[0], seeds[0], carried, 0.0), *own]
    else:
        ranks = [random_ranking(name, s, kind == "fixed") for name, s in zip(names, seeds, strict=True)]
    return dict(zip(names, ranks, strict=True))


def simulated(kind: str, seed: int) -> list[Row]:
    """What the study says of one simulation: the best of small and of large sets."""
    splits, carried = plant(torch.Generator().manual_seed(seed))
    fit = Fit(1e-3, 1e-3, epochs=1, batch_size=512, seed=seed)
    (probe,) = fit([Member(1e-3, 1e-3, seed)], splits["train"])
    ranks = ranks_of(kind, seed, carried)
    evidence = Evidence(splits["train"], splits["dev"], fit, seed, probe)
    rankings = {name: rank(evidence) for name, rank in ranks.items()}
    trained = Trained(splits, list("abcd"), fit, [probe], probe, ranks, rankings)
    found = compare_rankings(trained, SIZES, ["ridge"], small=SMALL, seeds=0, control_draws=0)
    return [row for row in found.rows if row.metric == "best"]


def named(rows: list[Row], what: str) -> str | None:
    """The best ranking of a range, if one is named."""
    return next((row.ranking for row in rows if row.flags["range"] == what and row.flags["is_best"]), None)


def report(kind: str, n: int) -> Iterator[str]:
    start = time.perf_counter()
    found = [simulated(kind, seed) for seed in range(n)]
    is_right: Callable[[str | None], bool] = (lambda name: name == "ranking_0") if kind == "best" else bool
    for what in ("small", "large"):
        times = sum(is_right(named(rows, what)) for rows in found)
        beyond = sum(row.flags["beats_random"] for rows in found for row in rows if row.flags["range"] == what)
        yield f"{kind}, {what} sets: a best is named in {times} of {n}; ahead of random orders in {beyond}"
    either = sum(any(is_right(named(rows, what)) for what in ("small", "large")) for rows in found)
    yield f"{kind}: in either in {either} of {n} ({time.perf_counter() - start:.0f} s)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=["drawn", "fixed", "best"])
    parser.add_argument("--simulations", type=int, default=200)
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    for kind in options.kinds:
        for line in report(kind, options.simulations):
            print(line, flush=True)


if __name__ == "__main__":
    main()
