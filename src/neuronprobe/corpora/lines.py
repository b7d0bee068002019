"""Labelled sentences, one a line, the label first (TREC question classes)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neuronprobe.corpora.columns import SEPARATORS
from neuronprobe.corpora.files import UTF8, lines
from neuronprobe.corpora.splits import SplitCorpus
from neuronprobe.errors import InputError, choice
from neuronprobe.types import Sentence


class LinesCorpus(SplitCorpus):
    """A sentence a line: its label, one separator, then words with blanks between them.

    `prop` is the property that the labels are of. With `coarse` (TREC: ":") a label ends before this sign, and the
    whole one is there as `<prop>_fine`. Blank lines are passed over.
    """

    def __init__(
        self, train: Any, dev: Any = None, test: Any = None, separator: str = "tab", coarse: str | None = None,
        encoding: str = UTF8, prop: str = "topic", **others: Any,
    ) -> None:  # fmt: skip
        """`others` are arguments of `SplitCorpus`."""
        self._separator = SEPARATORS[choice("corpus.separator", separator, SEPARATORS)]
        if coarse == "":
            raise InputError("corpus.coarse must be null or a sign behind which a label becomes finer, got ''.")
        self._coarse, self._encoding, self._prop = coarse, encoding, prop
        super().__init__(train, dev, test, **others)

    def read(self, source: Path) -> Iterator[Sentence]:
        """The sentences of one file."""
        for number, line in lines(source, self._encoding):
            if not line.strip():
                continue
            label, found, text = line.partition(self._separator)
            words = tuple(text.split())
            if not (label and found and words):
                raise InputError(f"{source}, line {number}, must be a label, a separator and words, got {line[:40]!r}.")
            labels = {self._prop: label}
            if self._coarse is not None:
                labels = {self._prop: label.split(self._coarse)[0], f"{self._prop}_fine": label}
            yield Sentence(f"{source.stem}-{number}", words, {}, labels)
