"""CoNLL-U files (universaldependencies.org/format.html), streamed sentence by sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from neuronprobe.corpora.files import lines, not_empty, split_files
from neuronprobe.errors import InputError
from neuronprobe.types import Sentence

NO_WORD = re.compile(r"\d+-\d+|\d+\.\d+")
"""Ids of ranges and of empty nodes."""
COLUMNS = {"lemma": 2, "upos": 3, "xpos": 4, "feats": 5, "head": 6, "deprel": 7}
"""Annotation columns that a property can read, and their place in a line."""


class ConlluCorpus:
    """A treebank in three CoNLL-U files. Ranges (1-2) and empty nodes (1.1) are no words and are passed over."""

    def __init__(self, train: str, dev: str, test: str, name: str = "conllu", batch_size: int | None = None) -> None:
        """`batch_size` is what probes on few words are best trained with, where that was measured."""
        self.name, self.batch_size = name, batch_size
        self._paths = split_files("CoNLL-U", train=train, dev=dev, test=test)

    def sentences(self, split: str) -> Iterator[Sentence]:
        """The sentences of one split. Raises InputError, with file and line, where the file is empty or malformed."""
        path = self._paths[split]
        return not_empty(read_conllu(path), path, "CoNLL-U")


def starter() -> ConlluCorpus:
    """The small English treebank that ships with the package, for a first run; conclusions want a real corpus."""
    folder = files("neuronprobe.corpora") / "starter"
    train, dev, test = (str(folder / f"{split}.conllu") for split in ("train", "dev", "test"))
    return ConlluCorpus(train, dev, test, name="starter", batch_size=32)


def read_conllu(path: Path) -> Iterator[Sentence]:
    """Stream one file; InputError names file and line."""
    words: list[list[str]] = []
    identifier, count = "", 0
    for number, line in lines(path):
        if line and not line.startswith("#"):
            columns = _columns(path, number, line, expected=len(words) + 1)
            if columns:
                words.append(columns)
        elif line.startswith("# sent_id"):
            identifier = line.partition("=")[2].strip()
        elif not line:
            if words:
                count += 1
                yield _sentence(identifier or f"{path.stem}-{count}", words)
            words, identifier = [], ""
    if words:
        yield _sentence(identifier or f"{path.stem}-{count + 1}", words)


def _columns(path: Path, number: int, line: str, expected: int) -> list[str] | None:
    columns = line.split("\t")
    if len(columns) != 10:
        raise InputError(
            f"{path}, line {number}, must have 10 columns separated by tabs, got {len(columns)}: {line[:40]!r}."
        )
    identifier = columns[0]
    if NO_WORD.fullmatch(identifier):
        return None
    if identifier != str(expected):
        raise InputError(
            f"{path}, line {number}, must be word {expected} of its sentence, got {identifier!r}; "
            "words are numbered from 1, and a blank line ends a sentence."
        )
    if not columns[1]:
        raise InputError(f"{path}, line {number}, must have a form in column 2, got an empty one.")
    return columns


def _sentence(identifier: str, words: list[list[str]]) -> Sentence:
    annotations = {
        name: tuple(None if word[place] == "_" else word[place] for word in words) for name, place in COLUMNS.items()
    }
    return Sentence(identifier, tuple(word[1] for word in words), annotations)
