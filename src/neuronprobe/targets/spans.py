"""Spans among the labels of words (chunks, entities): where they lie, and how many of them are found."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from neuronprobe.types import Units

OPEN, CLOSE = ("B", "S"), ("E", "S")
"""Signs that begin a span whatever stands before, and that end it whatever stands behind."""
SIGNS = {"I", *OPEN, *CLOSE}


def span_counts(
    names: Sequence[str], units: Units, predicted: Int[Tensor, "probe unit"]
) -> Int[Tensor, "probe 3 sentence"]:
    """How many spans of each sentence are found, are predicted and are there (Tjong Kim Sang and Buchholz 2000).

    A span is found where one of its kind is predicted from the same first to the same last word. What is predicted need
    not be well-formed: a span begins wherever none of its kind goes on. Labels index `names`; those without sign, and
    words that are no units, are outside of spans.
    """
    table = _table([*names, *units.unknown])
    is_next = torch.zeros(len(units), dtype=torch.bool)
    is_next[1:] = (units.sentences.diff() == 0) & (units.rows[:, 0].diff() == 1)
    there = _ends(table[torch.where(units.labels < 0, len(names) - 1 - units.labels, units.labels)], is_next)
    found = []
    for labels in predicted:
        ours = _ends(table[labels.long()], is_next)
        is_found = (ours == there).all(1) & (ours[:, 0] >= 0)
        ends = torch.stack([is_found, ours[:, 0] >= 0, there[:, 0] >= 0]).long()
        found.append(torch.zeros(3, units.n_sentences, dtype=torch.long).index_add_(1, units.sentences, ends))
    return torch.stack(found)


def _table(names: Sequence[str]) -> Int[Tensor, "label 3"]:
    """Of each label the kind of its span (0: outside), and whether it opens and closes one."""
    kinds: dict[str, int] = {}
    lines = []
    for name in names:
        sign, _, kind = name.partition("-")
        number = kinds.setdefault(kind, len(kinds) + 1) if kind and sign in SIGNS else 0
        lines.append((number, sign in OPEN, sign in CLOSE))
    return torch.tensor(lines, dtype=torch.long)


def _ends(labels: Int[Tensor, "unit 3"], is_next: Bool[Tensor, " unit"]) -> Int[Tensor, "unit 2"]:
    """First word and kind of the span that ends at each word; −1 where none does."""
    kind, opens, closes = labels.unbind(1)
    goes_on = is_next & (kind > 0) & (kind == kind.roll(1)) & (opens == 0) & (closes.roll(1) == 0)
    first = torch.where(goes_on, -1, torch.arange(len(kind))).cummax(0).values
    is_end = (kind > 0) & ~torch.cat([goes_on[1:], goes_on.new_zeros(1)])
    return torch.where(is_end[:, None], torch.stack([first, kind], dim=1), -1)
