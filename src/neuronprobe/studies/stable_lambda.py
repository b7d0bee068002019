"""λ search by stability: of the pairs that are about as accurate as the best, the sparsest whose top is found again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from neuronprobe.neurons import size
from neuronprobe.probes import Fit, Probe, score
from neuronprobe.rankings import Rank
from neuronprobe.studies.lambda_search import Grid
from neuronprobe.studies.overlap import Overlap, overlap, top_sets
from neuronprobe.studies.resamples import resampled, resamples
from neuronprobe.types import Row

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StableChoice:
    """Which probe of the grid is the sparsest of the stable and accurate ones, and rows of what was compared."""

    chosen: int
    rows: tuple[Row, ...]


def stable_lambda(
    grid: Grid, fit: Fit, rank: Rank, tolerance: float, share: float, n_resamples: int, metric: str = "auto",
    margin: float = 0.0,
) -> StableChoice:  # fmt: skip
    """Of the pairs within `tolerance` of the best on dev: the largest λ1 whose top `share` resamples share the most.

    Overlaps within `margin` of the largest count as the most; of equal λ1 the larger overlap, then the metric on dev,
    decides. Costs `n_resamples` probes for each pair of the grid, one bank: what is shared is told along all λ1.
    """
    probes, train, metric = grid.probes, grid.splits["train"], grid.target.metric(metric)
    values = score(probes, grid.splits["dev"]).values(metric)
    candidates = [i for i, probe in enumerate(probes) if (probe.l1, probe.l2) in fit.pairs]
    best = float(values[candidates].max())
    near = [i for i in candidates if float(values[i]) >= best - tolerance]
    log.info("λ search by stability trains %d x %d probes more.", len(candidates), n_resamples)
    k = size("search.top", float(share), len(train.neurons))
    overlaps = _overlaps([probes[i] for i in candidates], grid, rank, fit, k, n_resamples)
    found = dict(zip(candidates, overlaps, strict=True))
    stable = {i: float(one.pairs.mean()) for i, one in found.items()}
    most = max(stable[i] for i in near)
    shared = [i for i in near if stable[i] >= most - margin]
    chosen = max(shared, key=lambda i: (probes[i].l1, stable[i], float(values[i])))
    rows = [_row(probes[i], one, i == chosen, k, share, fit.solver) for i, one in found.items()]
    free = next((i for i, probe in enumerate(probes) if (probe.l1, probe.l2) == fit.reference), chosen)
    limits = {"tolerance": tolerance, "margin": margin, "pairs_within_tolerance": len(near)}
    for name, given_up in (
        (f"{metric}_given_up", best - float(values[chosen])),
        (f"{metric}_given_up_to_unregularised", float(values[free] - values[chosen])),
    ):
        flags = {"chosen": True, "by": "stability", **limits}
        rows.append(_row(probes[chosen], None, True, None, None, fit.solver, name, given_up, flags))
    return StableChoice(chosen, tuple(rows))


def rechosen(rows: Sequence[Row], probe: Probe) -> list[Row]:
    """The rows of a grid without what its own choice gave up, marked with the choice of `probe` and by what it was."""
    kept = [row for row in rows if "_given_up" not in row.metric]
    pair = (probe.l1, probe.l2)
    return [replace(row, flags={**row.flags, "chosen": (row.l1, row.l2) == pair, "by": "stability"}) for row in kept]


def _overlaps(probes: Sequence[Probe], grid: Grid, rank: Rank, fit: Fit, k: int, n_resamples: int) -> list[Overlap]:
    """Overlap of the top k between resamples, for the λ of each probe; all of them share the resamples."""
    train = grid.splits["train"]
    weights = resamples(train.units, n_resamples, fit.seed)
    trained = fit([member for probe in probes for member in resampled(probe, weights)], train)
    tops = []
    for i, own in enumerate(weights):  # a ranking that reads no probe is then computed once for each resample
        tops.append(top_sets([rank(grid.evidence(fit, probe, own)) for probe in trained[i::n_resamples]], k))
    return [overlap(torch.stack(sets), train.neurons) for sets in zip(*tops, strict=True)]


def _row(
    probe: Probe, found: Overlap | None, chosen: bool, k: int | None, share: float | None, solver: str,
    metric: str = "overlap", value: float = 0.0, flags: dict[str, Any] | None = None,
) -> Row:  # fmt: skip
    where: dict[str, Any] = {"split": "dev", "flags": flags or {}}
    if found is not None:
        value = float(found.pairs.mean())
        where = {"low": float(found.pairs.min()), "high": float(found.pairs.max()), "set": "top", "k": k}
        where |= {
            "share": share,
            "split": "train",
            "flags": {"chosen": chosen, "by": "stability", "over": "resamples", **found.about()},
        }
    return Row(
        "lambda_search", metric, value, solver=solver, task="property",
        seed=probe.seed, l1=probe.l1, l2=probe.l2, **where,
    )  # fmt: skip
