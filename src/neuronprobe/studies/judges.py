"""Who judges a set of neurons: probes that are told apart from the ranking that chose it (Antverg & Belinkov 2022).

`kept` is the job's own probe, its other neurons at zero, and apart at their means; `linear` a new elastic-net probe on
the set alone; `ridge` and `gaussian` are closed forms, from second moments and from the moments of each label.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import Neurons
from neuronprobe.probes import Gaussians, log_likelihoods, products, scores
from neuronprobe.progress import bar
from neuronprobe.studies.ablation import filled
from neuronprobe.studies.trained import Trained
from neuronprobe.targets import Score, Scored
from neuronprobe.types import UNKNOWN

RIDGE = 1e-2
"""λ2 of the judge `ridge`, beside the mean squared error, on z-scores."""
MOST = {"ridge": 1500, "gaussian": 150}
"""The largest sets that a closed form judges; Antverg and Belinkov have at most 150 neurons."""


class Sets:
    """Sets of neurons, each once: rankings whose tops are the same neurons have the same probe."""

    def __init__(self) -> None:
        self.found: list[Neurons] = []
        self._positions: dict[bytes, int] = {}

    def add(self, neurons: Neurons) -> int:
        """The position of a set, which is new or known; its neurons ascend."""
        ascending = neurons.sort().values
        position = self._positions.setdefault(ascending.numpy().tobytes(), len(self.found))
        if position == len(self.found):
            self.found.append(ascending)
        return position


@dataclass(frozen=True)
class Judged:
    """What a judge says of sets, on dev and test; `positions` are those of the sets that it judges among all sets.

    `information` is what each test sentence tells of its labels, in bits, of a judge that gives odds: see `in_bits`.
    """

    judge: str
    fill: str | None
    positions: Mapping[int, int]
    scored: Mapping[str, Scored]
    information: Score | None = None

    @property
    def name(self) -> str:
        """In one word."""
        return f"{self.judge}_{self.fill}" if self.fill else self.judge

    def has(self, sets: Sequence[int]) -> bool:
        """Whether it judges all of these."""
        return all(one in self.positions for one in sets)

    def at(self, sets: Sequence[int]) -> list[int]:
        """Their positions among what it scored."""
        return [self.positions[one] for one in sets]


def judged(
    trained: Trained, judge: str, sets: Sequence[Neurons], wanted: Sequence[int] | None = None
) -> Iterator[Judged]:  # fmt: skip
    """What a judge says of the `wanted` sets (None: all) that are not too large for it."""
    most = MOST.get(judge, len(trained.table))
    chosen = [i for i in (range(len(sets)) if wanted is None else wanted) if len(sets[i]) <= most]
    if chosen:
        positions = {one: position for position, one in enumerate(chosen)}
        yield from JUDGES[judge](trained, [sets[i] for i in chosen], positions)


def _kept(trained: Trained, sets: Sequence[Neurons], positions: Mapping[int, int]) -> Iterator[Judged]:
    kept = [trained.probe.keep(neurons) for neurons in sets]
    biases = filled(trained.probe, kept, trained.train)
    by_split = {
        name: scores(kept, [torch.stack(own) for own in biases.values()], split, trained.keeps(name))
        for name, split in trained.held_out.items()
    }
    for i, fill in enumerate(biases):
        yield Judged("kept", fill, positions, {name: found[i] for name, found in by_split.items()})


def _linear(trained: Trained, sets: Sequence[Neurons], positions: Mapping[int, int]) -> Iterator[Judged]:
    probes = trained.retrain(sets)
    test = trained.splits["test"]
    has_odds = len(trained.target) > 1
    bits = in_bits(log_likelihoods(probes, test), test) if has_odds else None
    yield Judged("linear", None, positions, trained.scored(probes), bits)


def _ridge(trained: Trained, sets: Sequence[Neurons], positions: Mapping[int, int]) -> Iterator[Judged]:
    moments = products(trained.train, torch.cat(list(sets)))
    yield Judged("ridge", None, positions, trained.scored([moments.ridge(own, RIDGE) for own in sets]))


def _gaussian(trained: Trained, sets: Sequence[Neurons], positions: Mapping[int, int]) -> Iterator[Judged]:
    gaussians = Gaussians(trained.train, torch.cat(list(sets)))
    scored: dict[str, Scored] = {}
    told = torch.zeros(len(sets), trained.splits["test"].units.n_sentences, dtype=torch.float64)
    for name, split in trained.held_out.items():
        given, units = gaussians.scores(split), split.units
        known, predicted = units.labels > UNKNOWN, torch.empty(len(units), len(sets), dtype=torch.long)
        with bar(f"Gaussians of {len(sets):,} sets", len(sets)) as advance:
            for i, neurons in enumerate(sets):
                posterior = gaussians.log_posterior(neurons, given).cpu()
                predicted[:, i] = posterior.argmax(0)
                if name == "test":
                    gold = posterior[:, known].gather(0, units.labels[known][None])[0].double()
                    told[i].index_add_(0, units.sentences[known], gold)
                advance(i + 1)
        found = trained.target.bank_score(len(sets), units.n_sentences, trained.keeps(name))
        found.add(predicted, units.labels, units.sentences)
        scored[name] = found.scored(units)
    yield Judged("gaussian", None, positions, scored, in_bits(told, trained.splits["test"]))


Judge = Callable[[Trained, Sequence[Neurons], Mapping[int, int]], Iterator[Judged]]
JUDGES: Mapping[str, Judge] = {"kept": _kept, "linear": _linear, "ridge": _ridge, "gaussian": _gaussian}
OF_LABELS = ("gaussian",)
"""Those that need labels."""


def in_bits(likelihood: Float[Tensor, "probe sentence"], split: Split) -> Score:
    """Mutual information of label and activations as far as a probe has it, in bits: at most the label's entropy.

    H(V) − H_p(V | H) of Torroba Hennigen et al. (2020), both on the units of the split whose label train has. Below 0
    where the probe predicts worse than the labels' shares do. Each sentence's part is log2 p(label | activations) −
    log2 of the label's share, summed over its units; `likelihood` is the former in nats.
    """
    units, known = split.units, split.units.labels > UNKNOWN
    bits = -_shares(split).log2()[units.labels[known]]
    nothing = torch.zeros(units.n_sentences, dtype=torch.float64)
    surprise = nothing.index_add(0, units.sentences[known], bits)
    n_units = nothing.index_add(0, units.sentences[known], torch.ones_like(bits))
    return Score("information", likelihood / math.log(2) + surprise, n_units)


def entropy(split: Split) -> float:
    """H(V) in bits, of the units whose label train has."""
    shares = _shares(split)
    return -float((shares[shares > 0] * shares[shares > 0].log2()).sum())


def _shares(split: Split) -> Float[Tensor, " label"]:
    counts = torch.bincount(split.units.labels[split.units.labels > UNKNOWN], minlength=split.n_labels).double()
    return counts / counts.sum().clamp_min(1)
