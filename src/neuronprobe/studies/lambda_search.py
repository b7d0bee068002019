"""λ search by the papers' score S = α(top − bottom) − β(unregularised − this), or by the metric alone.

EMNLP 2020 section 3.2 (and JMLR 2023 in prose) keeps top and bottom in the trained probe; JMLR's algorithm 2 retrains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.neurons import Neurons, bottom, size, top
from neuronprobe.probes import Fit, Member, Probe, score
from neuronprobe.rankings import Evidence, Rank
from neuronprobe.targets import Scored, Target
from neuronprobe.types import Ranking, Row

BY = ("score", "retrained_score", "dev")
"""What a search can choose by: S with ablation, S with retraining, the metric with all neurons on dev."""
Values = Float[Tensor, " probe"]


@dataclass(frozen=True)
class Grid:
    """The trained probes of a grid of λ, and the splits train, dev and test."""

    probes: Sequence[Probe]
    splits: Mapping[str, Split]

    @property
    def target(self) -> Target:
        """What is predicted."""
        return self.splits["train"].target

    def evidence(self, fit: Fit, probe: Probe, weights: Float[Tensor, " unit"] | None = None) -> Evidence:
        """What a ranking may look at for one of the probes."""
        return Evidence(self.splits["train"], self.splits["dev"], fit, fit.seed, probe, weights)


@dataclass(frozen=True)
class LambdaChoice:
    """Which probe of the grid was chosen, and the rows of the whole grid."""

    chosen: int
    rows: tuple[Row, ...]


def lambda_search(
    grid: Grid, fit: Fit, rank: Rank, alpha: float = 0.5, beta: float = 0.5, share: float | Sequence[float] = 0.2,
    by: str = "score", metric: str = "auto", of: str = "all",
) -> LambdaChoice:  # fmt: skip
    """Choose `by` S on dev, with the top and bottom `share` of each probe's ranking kept and the rest zeroed.

    By retrained_score, new probes are trained that read these neurons alone (JMLR 2023 algorithm 2: columns of
    zeros teach nothing). By dev the best probe by `metric` is chosen, of equals the least regularised, and S is only
    reported. The (λ1, λ2) to choose from are those of `fit`; its reference stands for the unregularised probe.
    Test scores are reported for every pair and choose nothing.

    Of several shares S takes the mean. Shares are `of` all neurons, or of the earned ones of each probe: where a sparse
    probe earns no more than the share, its top is the whole probe and its bottom the bias.
    """
    probes, dev, metric = grid.probes, grid.splits["dev"], grid.target.metric(metric)
    rankings = [rank(grid.evidence(fit, probe)) for probe in probes]
    shares = [share] if isinstance(share, float) else list(share)
    tops = [_ends(ranking, one, of) for one in shares for ranking in rankings]
    found, tests = score(probes, dev), score(probes, grid.splits["test"])
    whole = found.values(metric)
    sets = [chosen for side in zip(*tops, strict=True) for chosen in side]
    subsets = _subsets(
        [*probes] * (2 * len(shares)), sets, fit if by == "retrained_score" else None, grid.splits["train"]
    )
    above, below = score(subsets, dev).values(metric).view(2, len(shares), len(probes)).mean(1)
    free = next(i for i, probe in enumerate(probes) if (probe.l1, probe.l2) == fit.reference)
    scores = alpha * (above - below) - beta * (whole[free] - whole)
    candidates = [i for i, probe in enumerate(probes) if (probe.l1, probe.l2) in fit.pairs]
    chosen = max(candidates, key=lambda i: float((whole if by == "dev" else scores)[i]))
    measured = _Measured(
        probes, rankings, found, tests, above, below, scores, grid.target, metric, fit.solver, chosen, by, shares, of,
        len(candidates),
    )  # fmt: skip
    given_up = {
        f"{metric}_given_up": whole[candidates].max() - whole[chosen],
        f"{metric}_given_up_to_unregularised": whole[free] - whole[chosen],
    }
    return LambdaChoice(chosen, tuple(measured.rows(given_up, fit.reference)))


def _ends(ranking: Ranking, share: float, of: str) -> tuple[Neurons, Neurons]:
    """Top and bottom: of all neurons, or of the earned ones."""
    order = ranking.order if of == "all" else ranking.order[: max(1, ranking.earned)]
    k = size("search.share", share, len(order))
    return top(order, k), bottom(order, k)


def _subsets(probes: Sequence[Probe], sets: Sequence[Neurons], fit: Fit | None, train: Split) -> list[Probe]:
    """Each probe with its set kept, or with a `fit` trained anew on it, with the same λ and seed."""
    pairs = zip(probes, sets, strict=True)
    if fit is None:
        return [probe.keep(chosen) for probe, chosen in pairs]
    return fit([Member(probe.l1, probe.l2, probe.seed, chosen) for probe, chosen in pairs], train)


@dataclass(frozen=True)
class _Measured:
    """What was measured of each probe: scores on dev and test, the metric of top and bottom on dev, S."""

    probes: Sequence[Probe]
    rankings: Sequence[Ranking]
    dev: Scored
    test: Scored
    tops: Values
    bottoms: Values
    scores: Values
    target: Target
    metric: str
    solver: str
    chosen: int
    by: str
    shares: Sequence[float]
    of: str
    n_pairs: int

    def rows(self, given_up: Mapping[str, Tensor], reference: tuple[float, float]) -> Iterator[Row]:
        for i, probe in enumerate(self.probes):
            for split, scored in (("dev", self.dev), ("test", self.test)):
                for metric in dict.fromkeys((self.target.metrics[0], self.metric)):
                    yield self._row(i, metric, scored.values(metric)[i], set="all", mode="trained", split=split)
            yield from self._kept(i)
            if (reached := probe.optimality) is not None:
                yield self._row(i, "objective", reached.objective, split="train")
                ends = {"unique": reached.unique, "converged": reached.converged}
                yield self._row(i, "kkt_residual", reached.residual, ends, split="train")
                yield self._row(i, "exact_zeros", reached.zeros)
        for name, value in given_up.items():
            about = {"reference_l1": reference[0], "reference_l2": reference[1], "n_pairs": self.n_pairs}
            yield self._row(self.chosen, name, value, about, split="dev")

    def _kept(self, i: int) -> Iterator[Row]:
        """Top, bottom and S, with the number of earned neurons."""
        n, earned = len(self.rankings[i].order), self.rankings[i].earned
        share = self.shares[0] if len(self.shares) == 1 else None
        k = None if share is None else size("search.share", share, n if self.of == "all" else max(1, earned))
        kept: dict[str, Any] = {"mode": "retrained" if self.by == "retrained_score" else "ablated", "split": "dev"}
        kept |= {"k": k, "share": None if k is None else k / n}
        yield self._row(i, self.metric, self.tops[i], set="top", **kept)
        yield self._row(i, self.metric, self.bottoms[i], set="bottom", **kept)
        n_used = int((self.probes[i].trained_weights != 0).any(0).sum())
        is_whole = self.of == "all" and n_used <= round(min(self.shares) * n)
        about = {"of_metric": self.metric, "earned": earned, **({"top_is_whole_probe": True} if is_whole else {})}
        yield self._row(i, "score", self.scores[i], about, **kept)

    def _row(
        self, i: int, metric: str, value: Tensor | float, also: Mapping[str, Any] | None = None, **where: Any
    ) -> Row:
        probe, flags = self.probes[i], {"chosen": i == self.chosen, "by": self.by, **(also or {})}
        pair: dict[str, Any] = {"l1": probe.l1, "l2": probe.l2, "seed": probe.seed}
        common: dict[str, Any] = {"solver": self.solver, "task": "property", "flags": flags}
        return Row("lambda_search", metric, float(value), **common, **pair, **where)
