"""Which rankings find planted neurons: `python benchmarks/recovery.py [--seeds 5] [--only DIFFICULTY …]`.

Every ranking of conf/ranking with its defaults, on the planted activations of benchmarks/planted.py: the share of the
planted neurons (of groups: of the groups) in a top of as many, mean over data sets ± half its 95 % interval
(Student's). Those that read a probe read one of λ 1e-3, 1e-3; those that train use the same settings.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from planted import DIFFICULTIES, LABELS, Planted, planted
from scipy.stats import t as student

from neuronprobe.build import construct
from neuronprobe.probes import Fit, Member
from neuronprobe.quiet import quiet
from neuronprobe.rankings import Evidence, Rank

CONF = Path(__file__).parents[1] / "conf"
FIT = Fit(1e-3, 1e-3, epochs=5, batch_size=100, lr=0.02)


def rank_of(name: str) -> Rank:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        (rank,) = construct(compose("config", [f"ranking={name}"]), "ranking").values()
    return rank


def evidence(data: Planted, seed: int) -> Evidence:
    (probe,) = FIT([Member(1e-3, 1e-3, seed)], data.train)
    return Evidence(data.train, data.dev, FIT, seed, probe)


def shown(found: Sequence[float]) -> str:
    half = student.ppf(0.975, len(found) - 1) * np.std(found, ddof=1) / len(found) ** 0.5
    return f"{np.mean(found):.2f} ± {half:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[one.__name__ for one in DIFFICULTIES])
    parser.add_argument("--rankings", nargs="+", default=sorted(path.stem for path in CONF.glob("ranking/*.yaml")))
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    chosen = [one for one in DIFFICULTIES if one.__name__ in options.only]
    sets = {one.__name__: [planted(one, seed) for seed in range(options.seeds)] for one in chosen}
    shown_to = {name: [evidence(data, seed) for seed, data in enumerate(own)] for name, own in sets.items()}
    print(f"{LABELS} labels, {options.seeds} data sets\n\n| ranking | {' | '.join(sets)} |")
    print("|---" * (len(sets) + 1) + "|", flush=True)
    for name in options.rankings:
        rank = rank_of(name)
        found = [[data.recovered(rank(one)) for data, one in zip(own, shown_to[kind], strict=True)]
                 for kind, own in sets.items()]  # fmt: skip
        print(f"| {name} | {' | '.join(map(shown, found))} |", flush=True)


if __name__ == "__main__":
    main()
