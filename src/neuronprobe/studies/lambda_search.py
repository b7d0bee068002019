"""λ search by the papers' score S = α(top − bottom) − β(unregularised − this) (EMNLP 2020 section 3.2), ablating."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import bottom, size, top
from neuronprobe.probes import Probe, score
from neuronprobe.types import Ranking, Row

Rank = Callable[[Float[Tensor, "label neuron"]], Ranking]


@dataclass(frozen=True)
class LambdaChoice:
    """Which probe of the grid S chose, and the rows of the whole grid."""

    chosen: int
    rows: tuple[Row, ...]


def lambda_search(
    probes: Sequence[Probe],
    pairs: Collection[tuple[float, float]],
    rank: Rank,
    dev: Split,
    test: Split,
    solver: str,
    alpha: float = 0.5,
    beta: float = 0.5,
    share: float = 0.2,
    reference: tuple[float, float] = (0.0, 0.0),
) -> LambdaChoice:
    """Score every probe on dev with its top and bottom `share` kept and the rest zeroed in the trained probe.

    `pairs` are the (λ1, λ2) to choose from; the probe of `reference` must be there as the unregularised one. Test
    accuracy is reported for every pair and chooses nothing.
    """
    k = size("search.share", float(share), len(dev.neurons))
    orders = [rank(probe.trained_weights).order for probe in probes]
    kept = [probe.keep(top(order, k)) for probe, order in zip(probes, orders, strict=True)]
    kept += [probe.keep(bottom(order, k)) for probe, order in zip(probes, orders, strict=True)]
    accuracy = score(probes, dev).accuracy
    tops, bottoms = score(kept, dev).accuracy.split(len(probes))
    free = next(i for i, probe in enumerate(probes) if (probe.l1, probe.l2) == reference)
    scores = alpha * (tops - bottoms) - beta * (accuracy[free] - accuracy)
    candidates = [i for i, probe in enumerate(probes) if (probe.l1, probe.l2) in pairs]
    chosen = max(candidates, key=lambda i: float(scores[i]))
    tests = score(probes, test).accuracy

    def row(i: int, metric: str, value: Tensor | float, also: Mapping[str, Any] | None = None, **place: Any) -> Row:
        flags = {"chosen": i == chosen, **(also or {})}
        pair: dict[str, Any] = {"l1": probes[i].l1, "l2": probes[i].l2, "seed": probes[i].seed}
        common: dict[str, Any] = {"solver": solver, "task": "property", "flags": flags}
        return Row("lambda_search", metric, float(value), **common, **pair, **place)

    rows = []
    for i in range(len(probes)):
        rows.append(row(i, "accuracy", accuracy[i], set="all", mode="trained", split="dev"))
        rows.append(row(i, "accuracy", tests[i], set="all", mode="trained", split="test"))
        rows.append(row(i, "accuracy", tops[i], set="top", mode="ablated", split="dev", k=k, share=share))
        rows.append(row(i, "accuracy", bottoms[i], set="bottom", mode="ablated", split="dev", k=k, share=share))
        rows.append(row(i, "score", scores[i], split="dev", k=k, share=share))
        if (reached := probes[i].optimality) is not None:
            rows.append(row(i, "objective", reached.objective, split="train"))
            ends = {"unique": reached.unique, "converged": reached.converged}
            rows.append(row(i, "kkt_residual", reached.residual, ends, split="train"))
            rows.append(row(i, "exact_zeros", reached.zeros))
    given_up = accuracy[candidates].max() - accuracy[chosen]
    rows.append(row(chosen, "accuracy_given_up", given_up, split="dev"))
    to = {"reference_l1": reference[0], "reference_l2": reference[1]}
    lost = accuracy[free] - accuracy[chosen]
    rows.append(row(chosen, "accuracy_given_up_to_unregularised", lost, to, split="dev"))
    return LambdaChoice(chosen, tuple(rows))
