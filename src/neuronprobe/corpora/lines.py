"""Labelled sentences, one a line: the label, a separator, the words (TREC question classes, SST in tabs)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from neuronprobe.corpora.files import SEPARATORS, held_out_sentences, lines, not_empty, parted, split_files
from neuronprobe.errors import InputError, choice
from neuronprobe.types import Sentence


class LinesCorpus:
    """A sentence a line: its label, one separator, then words with blanks between them.

    `prop` is the property that the labels are of. With `coarse` (TREC: ":") a label ends before this sign, and the
    whole one is there as `<prop>_fine`. Without `dev`, the last `held_out` sentences of train are dev. Blank lines are
    passed over.
    """

    def __init__(
        self, train: str, test: str, dev: str | None = None, held_out: int = 0, separator: str = "tab",
        coarse: str | None = None, encoding: str = "utf-8-sig", prop: str = "topic", name: str = "lines",
    ) -> None:  # fmt: skip
        self.name = name
        self._separator = SEPARATORS[choice("corpus.separator", separator, SEPARATORS)]
        if coarse == "":
            raise InputError("corpus.coarse must be null or a sign behind which a label becomes finer, got ''.")
        self._coarse, self._encoding, self._prop = coarse, encoding, prop
        self._held_out = held_out_sentences(held_out, dev)
        self._paths = split_files("text", train=train, dev=train if dev is None else dev, test=test)

    def sentences(self, split: str) -> Iterator[Sentence]:
        """The sentences of one split. Raises InputError, with file and line, where the file is empty or malformed."""
        path = self._paths[split]
        stream = not_empty(self._read(path), path, "text")
        return parted(stream, split, self._held_out, path) if self._held_out else stream

    def _read(self, path: Path) -> Iterator[Sentence]:
        for number, line in lines(path, self._encoding):
            if not line.strip():
                continue
            label, found, text = line.partition(self._separator)
            words = tuple(text.split())
            if not (label and found and words):
                raise InputError(f"{path}, line {number}, must be a label, a separator and words, got {line[:40]!r}.")
            labels = {self._prop: label}
            if self._coarse is not None:
                labels = {self._prop: label.split(self._coarse)[0], f"{self._prop}_fine": label}
            yield Sentence(f"{path.stem}-{number}", words, {}, labels)
