"""The main job without Hydra: activations, a bank over the grid of λ, λ search, rankings."""

from __future__ import annotations

from collections.abc import Sequence

from neuronprobe.activations import ActivationsDataModule
from neuronprobe.errors import choice
from neuronprobe.probes import Fit
from neuronprobe.progress import stage
from neuronprobe.quiet import quiet
from neuronprobe.rankings import Rank, checked, lca, magnitude, rehearse
from neuronprobe.studies import Grid, Trained, lambda_search, named
from neuronprobe.studies.lambda_search import BY


def train(
    data: ActivationsDataModule, fit: Fit, ranks: Sequence[Rank] = (lca, magnitude), by: str = "score",
    metric: str = "auto",
) -> Trained:  # fmt: skip
    """Extract what no store holds, train the grid, choose λ on dev `by` score, retrained_score or dev, and rank.

    `metric` auto is accuracy, of values r2. The first of `ranks` is the
    primary one. Raises InputError where something does not fit together.
    """
    quiet()
    choice("by", by, BY)
    ranks = [checked(rank) for rank in ranks]
    data.prepare_data()
    data.setup()
    metric = data.target.metric(metric)
    splits = {name: data.split(name) for name in ("train", "dev", "test")}
    fit = fit.related(splits["train"], getattr(data.corpus, "batch_size", None))
    fit.warn_if_short(splits["train"])
    for rank in ranks:
        rehearse(rank, splits["train"], splits["dev"], fit, fit.seed)
    with stage("training"):
        grid = Grid(fit(fit.grid(), splits["train"]), splits)
    with stage("lambda search"):
        chosen = lambda_search(grid, fit, ranks[0], by=by, metric=metric).chosen
        probe = grid.probes[chosen]
        rankings = named(dict(enumerate(ranks)), grid.evidence(fit, probe))
    return Trained(
        splits, data.target.names, fit, grid.probes, probe, dict(zip(rankings, ranks, strict=True)), rankings, metric
    )
