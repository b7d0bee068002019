"""What a ranking must give, whoever wrote it: checked each time that it ranks."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import Any

import torch

from neuronprobe.errors import InputError
from neuronprobe.rankings.evidence import Evidence, Rank
from neuronprobe.types import Ranking


def checked(rank: Rank) -> Rank:
    """The same ranking, that raises InputError where it does not order every neuron once, with finite scores.

    Of one that has no orders of labels, no neuron is a label's.
    """

    @wraps(rank, updated=())
    def ranked(evidence: Evidence) -> Ranking:
        found = rank(evidence)
        n, n_labels = len(evidence.table), evidence.train.n_labels
        if isinstance(found, Ranking) and found.by_label.shape == (0, n):
            found = replace(found, by_label=torch.ones(n_labels, n))
        for must, is_so in _demands(found, n, n_labels):
            if not is_so:
                raise InputError(f"ranking {_name(found, rank)} must {must}, got another; correct its function.")
        return found

    return ranked


def _demands(found: Any, n: int, n_labels: int) -> Any:
    yield "give a neuronprobe.types.Ranking", isinstance(found, Ranking)
    yield "have a name that can be a file's", str(found.name).isidentifier() and found.name != "by_label"
    order, score, depth = found.order, found.score, found.by_label
    tensors = all(isinstance(one, torch.Tensor) for one in (order, score, depth))
    yield "have order (whole numbers), score and by_label as tensors", tensors and order.dtype == torch.long
    yield f"order each of {n:,} neurons once", order.shape == (n,) and torch.equal(order.sort().values, torch.arange(n))
    yield f"have a finite score for each of {n:,} neurons", score.shape == (n,) and bool(score.isfinite().all())
    yield f"have earned 0 to {n:,} neurons", isinstance(found.earned, int) and 0 <= found.earned <= n
    fits = depth.shape == (n_labels, n) and bool(((depth >= 0) & (depth <= 1)).all())
    yield f"have a depth from 0 to 1 for each of {n_labels} labels and {n:,} neurons", fits


def _name(found: Any, rank: Any) -> str:
    name = getattr(found, "name", None) or getattr(rank, "__name__", None) or getattr(rank, "func", rank)
    return repr(name if isinstance(name, str) else getattr(name, "__name__", "?"))
