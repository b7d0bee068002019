"""What is known of a corpus before its activations are extracted: its units, and what is odd about its splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from neuronprobe.corpora import SPLITS, Forms
from neuronprobe.properties.units import Collected

NUMBERS = 10
"""So many labels that are numbers may be values."""
MANY, RARE = 300, 10
"""Labels that are many, and units that are few for a label."""
SHOWN = 8
"""Labels that a line names."""


@dataclass(frozen=True)
class Contents:
    """What one pass over a split found: its units, and what is counted and digested of its sentences."""

    units: Collected
    forms: Forms
    n_rows: int

    @property
    def n_sentences(self) -> int:
        """Sentences of the split."""
        return self.forms.n_sentences

    @property
    def n_words(self) -> int:
        """Words of the split, with a label or without."""
        return self.forms.n_words


def shared_sentences(found: Mapping[str, Contents], split: str) -> dict[str, int]:
    """How many sentences of a split are, word for word, in those before it; only what is not 0."""
    before = SPLITS[: SPLITS.index(split)]
    counts = {f"sentences_also_in_{other}": found[split].forms.said_in(found[other].forms) for other in before}
    return {what: n for what, n in counts.items() if n}


def remarks(found: Mapping[str, Contents], counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """A line for each thing that is odd about the splits, or was passed over by what is taken."""
    for split, counted in counts.items():
        for what, n in counted.items():
            other = what.removeprefix("sentences_also_in_")
            if other == what:
                yield f"{split}: {n:,} {what.replace('_', ' ')}."
            else:
                yield _overlap(split, other, n, found[split].n_sentences, found[other].n_sentences)
    yield from _many(found["train"])
    known = _labels(found["train"])
    for split in SPLITS[1:]:
        if lacking := sorted(known - _labels(found[split])):
            more = ", …" if len(lacking) > SHOWN else ""
            yield f"{split} lacks {len(lacking):,} labels of train: {', '.join(lacking[:SHOWN])}{more}."


def _many(train: Contents) -> Iterator[str]:
    """What so many labels take, or what they may be."""
    counts = [n for n in torch.bincount(train.units.labels).tolist() if n] if train.units.names else []
    rare = sum(n < RARE for n in counts)
    if len(counts) > MANY:
        yield (
            f"train has {len(counts):,} labels, {rare:,} of them with fewer than {RARE} units: probes of so many are "
            f"slow and large; property.min_count={RARE} leaves {len(counts) - rare:,}."
        )
    if len(counts) > NUMBERS and all(name.strip("+-").isdecimal() for name in train.units.names):
        yield f"train has {len(counts):,} labels, which are numbers: property=score takes them as values."


def _overlap(split: str, other: str, n: int, n_sentences: int, n_others: int) -> str:
    if n == n_sentences:
        same = "are those of" if n == n_others else "are all in"
        return f"{split}: all {n:,} sentences {same} {other}: what is measured there is memory; give other files."
    return (
        f"{split}: {n:,} of {n_sentences:,} sentences ({100 * n / n_sentences:.1f} %) are in {other} too; "
        "corpus.unique=true leaves them out."
    )


def _labels(contents: Contents) -> set[str]:
    if not contents.units.names:
        return set()
    counts = torch.bincount(contents.units.labels, minlength=len(contents.units.names)).tolist()
    return {name for name, n in zip(contents.units.names, counts, strict=True) if n}
