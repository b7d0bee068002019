"""λ search by the papers' score S = α(top − bottom) − β(unregularised − this), or by accuracy alone.

EMNLP 2020 section 3.2 (and JMLR 2023 in prose) keeps top and bottom in the trained probe; JMLR's algorithm 2 retrains.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import Neurons, bottom, size, top
from neuronprobe.probes import Member, Probe, score
from neuronprobe.types import Ranking, Row

BY = ("score", "retrained_score", "dev")
"""What a search can choose by: S with ablation, S with retraining, accuracy on dev."""
Rank = Callable[[Float[Tensor, "label neuron"]], Ranking]
Retrain = Callable[[Sequence[Member]], list[Probe]]
Accuracies = Float[Tensor, " probe"]


@dataclass(frozen=True)
class LambdaChoice:
    """Which probe of the grid was chosen, and the rows of the whole grid."""

    chosen: int
    rows: tuple[Row, ...]


def lambda_search(
    probes: Sequence[Probe], pairs: Collection[tuple[float, float]], rank: Rank, dev: Split, test: Split, solver: str,
    alpha: float = 0.5, beta: float = 0.5, share: float = 0.2, by: str = "score", retrain: Retrain | None = None,
    reference: tuple[float, float] = (0.0, 0.0),
) -> LambdaChoice:  # fmt: skip
    """Choose `by` S on dev, with the top and bottom `share` of each probe's ranking kept and the rest zeroed.

    By retrained_score, `retrain` trains new probes that read these neurons alone (JMLR 2023 algorithm 2: columns of
    zeros teach nothing). By dev the most accurate probe is chosen, of equals the least regularised, and S is only
    reported. `pairs` are the (λ1, λ2) to choose from; the probe of `reference` must be there as the unregularised one.
    Test accuracy is reported for every pair and chooses nothing.
    """
    k = size("search.share", float(share), len(dev.neurons))
    orders = [rank(probe.trained_weights).order for probe in probes]
    sets = [side(order, k) for side in (top, bottom) for order in orders]
    accuracy = score(probes, dev).accuracy
    subsets = _subsets([*probes, *probes], sets, retrain if by == "retrained_score" else None)
    tops, bottoms = score(subsets, dev).accuracy.split(len(probes))
    free = next(i for i, probe in enumerate(probes) if (probe.l1, probe.l2) == reference)
    scores = alpha * (tops - bottoms) - beta * (accuracy[free] - accuracy)
    candidates = [i for i, probe in enumerate(probes) if (probe.l1, probe.l2) in pairs]
    chosen = max(candidates, key=lambda i: float((accuracy if by == "dev" else scores)[i]))
    found = _Grid(probes, accuracy, tops, bottoms, scores, score(probes, test).accuracy)
    given_up = {
        "accuracy_given_up": accuracy[candidates].max() - accuracy[chosen],
        "accuracy_given_up_to_unregularised": accuracy[free] - accuracy[chosen],
    }
    return LambdaChoice(chosen, tuple(found.rows(chosen, by, k, share, solver, given_up, reference)))


def _subsets(probes: Sequence[Probe], sets: Sequence[Neurons], retrain: Retrain | None) -> list[Probe]:
    """Each probe with its set kept, or trained anew on it with the same λ and seed."""
    pairs = zip(probes, sets, strict=True)
    if retrain is None:
        return [probe.keep(chosen) for probe, chosen in pairs]
    return retrain([Member(probe.l1, probe.l2, probe.seed, chosen) for probe, chosen in pairs])


@dataclass(frozen=True)
class _Grid:
    """What was measured of each probe: accuracies on dev (all neurons, top, bottom), S, and accuracy on test."""

    probes: Sequence[Probe]
    accuracy: Accuracies
    tops: Accuracies
    bottoms: Accuracies
    scores: Accuracies
    tests: Accuracies

    def rows(
        self,
        chosen: int,
        by: str,
        k: int,
        share: float,
        solver: str,
        given_up: dict[str, Tensor],
        reference: tuple[float, float],
    ) -> Iterator[Row]:
        mode = "retrained" if by == "retrained_score" else "ablated"

        def row(i: int, metric: str, value: Tensor | float, also: Mapping[str, Any] | None = None, **place: Any) -> Row:
            flags = {"chosen": i == chosen, "by": by, **(also or {})}
            probe = self.probes[i]
            pair: dict[str, Any] = {"l1": probe.l1, "l2": probe.l2, "seed": probe.seed}
            common: dict[str, Any] = {"solver": solver, "task": "property", "flags": flags}
            return Row("lambda_search", metric, float(value), **common, **pair, **place)

        for i, probe in enumerate(self.probes):
            yield row(i, "accuracy", self.accuracy[i], set="all", mode="trained", split="dev")
            yield row(i, "accuracy", self.tests[i], set="all", mode="trained", split="test")
            yield row(i, "accuracy", self.tops[i], set="top", mode=mode, split="dev", k=k, share=share)
            yield row(i, "accuracy", self.bottoms[i], set="bottom", mode=mode, split="dev", k=k, share=share)
            yield row(i, "score", self.scores[i], mode=mode, split="dev", k=k, share=share)
            if (reached := probe.optimality) is not None:
                yield row(i, "objective", reached.objective, split="train")
                ends = {"unique": reached.unique, "converged": reached.converged}
                yield row(i, "kkt_residual", reached.residual, ends, split="train")
                yield row(i, "exact_zeros", reached.zeros)
        for metric, value in given_up.items():
            yield row(chosen, metric, value, {"reference_l1": reference[0], "reference_l2": reference[1]}, split="dev")
