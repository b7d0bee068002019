"""CoNLL-U and CoNLL-U Plus files (universaldependencies.org/format.html, ext-format.html), sentence by sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from neuronprobe.corpora.files import UTF8, lines
from neuronprobe.corpora.splits import SplitCorpus
from neuronprobe.errors import InputError
from neuronprobe.types import Sentence

NO_WORD = re.compile(r"\d+-\d+|\d+\.\d+")
"""Ids of ranges and of empty nodes."""
ID, FORM = "id", "form"
COLUMNS = (ID, FORM, "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
GLOBAL_COLUMNS = "global.columns"
NUMBERS = [str(number) for number in range(1, 1001)]
"""Ids of words; a longer sentence has them made one by one."""


class ConlluCorpus(SplitCorpus):
    """A treebank in CoNLL-U files. Ranges (1-2) and empty nodes (1.1) are no words and are passed over.

    Columns other than ID and FORM are annotations under their names in lower case; `_` is no label. A file in CoNLL-U
    Plus names its columns itself, in its first line.
    """

    kind = "CoNLL-U"

    def __init__(self, train: Any, dev: Any = None, test: Any = None, encoding: str = UTF8, **others: Any) -> None:
        """`others` are arguments of `SplitCorpus`."""
        self._encoding = encoding
        super().__init__(train, dev, test, **others)

    def read(self, source: Path) -> Iterator[Sentence]:
        """The sentences of one file."""
        return read_conllu(source, self._encoding, self.passed[source])


def starter() -> ConlluCorpus:
    """The small English treebank that ships with the package, for a first run; conclusions want a real corpus."""
    folder = files("neuronprobe.corpora") / "starter"
    train, dev, test = (str(folder / f"{split}.conllu") for split in ("train", "dev", "test"))
    return ConlluCorpus(train, dev, test, name="starter", batch_size=32)


def treebank(folder: str, **others: Any) -> ConlluCorpus:
    """A Universal Dependencies treebank by its folder: its files end in `ud-train.conllu` and so on.

    A split may have several files (`ud-train-a.conllu`, …). With `ratios` all are parted anew. Raises InputError where
    a split is not there, or another treebank is.
    """
    there = sorted(path for path in Path(folder).expanduser().glob("*.conllu*") if path.is_file())
    parts = {split: re.compile(rf"-{split}(-[\w-]+)?\.conllu") for split in ("train", "dev", "test")}
    found = {split: [str(path) for path in there if part.search(path.name)] for split, part in parts.items()}
    if not there:
        raise InputError(
            f"corpus.folder must hold a treebank (*.conllu), got {folder!r}; give the folder of its files."
        )
    names = dict.fromkeys(re.sub(r"-ud-.*", "", path.name) for path in there if "-ud-" in path.name)
    if len(names) > 1:
        raise InputError(
            f"corpus.folder must hold one treebank, got {', '.join(names)} in {folder!r}; take corpus=conllu and lists "
            "of files to join them."
        )
    others["name"] = others.get("name") or next(iter(names), re.sub(r"\.conllu.*", "", there[0].name))
    if others.get("ratios") is not None:
        return ConlluCorpus([str(path) for path in there], **others)
    missing = [split for split in found if not found[split] and not (split == "dev" and others.get("held_out"))]
    if missing:
        raise InputError(
            f"corpus.folder must hold files for train, dev and test (*-train.conllu, …), got none for "
            f"{', '.join(missing)} in {folder!r}; part the files by corpus.ratios=[0.8,0.1,0.1], or hold out dev."
        )
    dev = None if others.get("held_out") else found["dev"]
    return ConlluCorpus(found["train"], dev, found["test"], **others)


def read_conllu(path: Path, encoding: str = UTF8, passed: Counter[str] | None = None) -> Iterator[Sentence]:
    """Stream one file; InputError names file and line. `passed` counts empty nodes and sentences without words."""
    layout, passed = Layout(COLUMNS), Counter() if passed is None else passed
    words: list[list[str]] = []
    identifier, document, count, n_documents = "", None, 0, 0
    for number, line in lines(path, encoding):
        if not line:
            if words:
                count += 1
                yield layout.sentence(identifier or f"{path.stem}-{count}", words, document)
            elif identifier:
                passed["sentences_without_words_passed_over"] += 1
            words, identifier = [], ""
        elif line[0] != "#" or (words and not layout.has_ids):
            cells = layout.cells(path, number, line, len(words))
            if cells is not None:
                words.append(cells)
            elif "." in line[: line.index("\t")]:
                passed["empty_nodes_passed_over"] += 1
        else:
            name, _, value = line[1:].partition("=")
            name, value = name.strip(), value.strip()
            if name == "sent_id":
                identifier = value
            elif name.startswith("newdoc"):
                n_documents += 1
                document = value or f"{path.stem}-{n_documents}"
            elif name == GLOBAL_COLUMNS:
                layout = Layout.named(path, number, value)
    if words:
        yield layout.sentence(identifier or f"{path.stem}-{count + 1}", words, document)


@dataclass(frozen=True)
class Layout:
    """What the columns of a file are."""

    columns: Sequence[str]

    @cached_property
    def has_ids(self) -> bool:
        """Whether a word begins with its number, and so never with #."""
        return self.columns[0] == ID

    @classmethod
    def named(cls, path: Path, number: int, names: str) -> Layout:
        """The columns that a file names. Raises InputError where FORM is not among them, or one is there twice."""
        columns = names.lower().split()
        if FORM not in columns or len(set(columns)) < len(columns):
            raise InputError(f"{path}, line {number}, must name FORM and each column once, got {names!r}.")
        return cls(columns)

    def cells(self, path: Path, number: int, line: str, n_before: int) -> list[str] | None:
        """The columns of a word; None for what is none. Raises InputError where a line is malformed."""
        cells = line.split("\t")
        if len(cells) != len(self.columns):
            raise InputError(
                f"{path}, line {number}, must have {len(self.columns)} columns separated by tabs, got {len(cells)}: "
                f"{line[:40]!r}."
            )
        if self.has_ids and cells[0] != (
            expected := NUMBERS[n_before] if n_before < len(NUMBERS) else str(n_before + 1)
        ):
            if NO_WORD.fullmatch(cells[0]):
                return None
            raise InputError(
                f"{path}, line {number}, must be word {expected} of its sentence, got {cells[0]!r}; "
                "words are numbered from 1, and a blank line ends a sentence."
            )
        if "" in cells:
            position = cells.index("")
            raise InputError(
                f"{path}, line {number}, must have a {self.columns[position]} in column {position + 1}, got an empty "
                "one; nothing is written _."
            )
        return cells

    def sentence(self, identifier: str, words: list[list[str]], document: str | None) -> Sentence:
        """Words and labels out of the cells of their lines."""
        annotations: dict[str, tuple[str | None, ...]] = dict(zip(self.columns, zip(*words, strict=True), strict=True))
        annotations.pop(ID, None)
        forms: Any = annotations.pop(FORM)
        for name, labels in annotations.items():
            if "_" in labels:
                annotations[name] = tuple([None if label == "_" else label for label in labels])
        return Sentence(identifier, forms, annotations, document=document)
