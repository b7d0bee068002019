"""Words and labels in two files, line by line (NeuroX: `train.in`, `train.label`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from neuronprobe.corpora.files import UTF8, lines
from neuronprobe.corpora.splits import SplitCorpus
from neuronprobe.errors import InputError
from neuronprobe.types import Sentence


class ParallelCorpus(SplitCorpus):
    """A sentence a line; its labels stand in the same line of the file beside it, whose name ends in `labels`.

    Words and labels have blanks between them. The labels are the column `prop`.
    """

    def __init__(
        self, train: Any, dev: Any = None, test: Any = None, labels: str = ".label", prop: str = "label",
        encoding: str = UTF8, **others: Any,
    ) -> None:  # fmt: skip
        """`others` are arguments of `SplitCorpus`."""
        self._ending, self._prop, self._encoding = labels, prop, encoding
        super().__init__(train, dev, test, **others)

    def read(self, source: Path) -> Iterator[Sentence]:
        """The sentences of one pair of files. Raises InputError where lines or words are not as many as labels."""
        beside = source.with_suffix(self._ending)
        if not beside.is_file() or beside == source:
            raise InputError(f"{source} must have its labels beside it, got no {beside}; set corpus.labels.")
        pairs = zip_longest(lines(source, self._encoding), lines(beside, self._encoding))
        for number, (found, other) in enumerate(pairs, 1):
            words, labels = (() if one is None else tuple(one[1].split()) for one in (found, other))
            if len(words) != len(labels):
                raise InputError(
                    f"{beside}, line {number}, must have {len(words)} labels, as {source.name} has words, "
                    f"got {len(labels)}."
                )
            if words:
                yield Sentence(f"{source.stem}-{number}", words, {self._prop: labels})
