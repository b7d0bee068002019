"""Text in columns, one word a line (CoNLL shared tasks, Parallel Meaning Bank), streamed sentence by sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from neuronprobe.corpora.files import UTF8, lines
from neuronprobe.corpora.splits import SplitCorpus
from neuronprobe.errors import InputError, choice, whole_number
from neuronprobe.types import Sentence

FORM = "form"
"""The column of the words; every other column holds labels."""
SEPARATORS = {"blank": " ", "tab": "\t", "comma": ","}
"""What may stand between two parts of a line: exactly one of it."""
DOCUMENT = "-DOCSTART-"
"""What begins a line that begins a document (CoNLL-2003)."""


class ColumnsCorpus(SplitCorpus):
    """Annotated text, one word a line: a blank line ends a sentence, and all lines of a file have as many columns.

    `columns` gives names to positions, counted from 0 (`{form: 0, chunk: 2}`, or `[form, null, chunk]`): `form` is the
    word, the others are labels. Columns stand apart by any run of blanks and tabs, or by exactly one `separator`
    (blank, tab, comma). Lines that begin with `document` begin a document, those with `comment` are passed over.
    `missing` is the value of a column that means no label, and `joiner` what is written for a blank within a word; all
    else is read as it stands.
    """

    def __init__(
        self, train: Any, columns: Mapping[str, int] | Sequence[str | None], separator: str | None = None,
        comment: str | None = None, document: str | None = DOCUMENT, missing: Mapping[str, str] | None = None,
        joiner: str | None = None, encoding: str = UTF8, **others: Any,
    ) -> None:  # fmt: skip
        """`others` are arguments of `SplitCorpus`."""
        positions = _positions(columns)
        self._layout = Layout(
            positions, None if separator is None else choice("corpus.separator", separator, SEPARATORS),
            _sign("corpus.comment", comment), _sign("corpus.document", document), _missing(missing or {}, positions),
            _sign("corpus.joiner", joiner),
        )  # fmt: skip
        self._encoding = encoding
        super().__init__(train, **others)

    def read(self, source: Path) -> Iterator[Sentence]:
        """The sentences of one file."""
        return read_columns(source, self._layout, self._encoding, self.passed[source])


@dataclass(frozen=True)
class Layout:
    """How a line becomes a word and its labels; the fields are arguments of ColumnsCorpus."""

    columns: Mapping[str, int]
    separator: str | None
    comment: str | None
    document: str | None
    missing: Mapping[str, str]
    joiner: str | None

    def split(self, line: str) -> list[str]:
        """The columns of a line."""
        if self.separator is not None:
            return line.split(SEPARATORS[self.separator])
        return [cell for cell in line.replace("\t", " ").split(" ") if cell]

    def cells(self, where: str, line: str, width: int) -> list[str]:
        """The columns of a line. Raises InputError unless there are `width`, and something in each that is read."""
        cells = self.split(line)
        apart = f"one {self.separator} each" if self.separator else "blanks or tabs"
        if len(cells) != width:
            raise InputError(
                f"{where} must have {width} columns separated by {apart}, got {len(cells)}: "
                f"{line[:40]!r}; mend the line, or set corpus.separator, corpus.columns and corpus.comment."
            )
        if self.joiner:
            cells[self.columns[FORM]] = cells[self.columns[FORM]].replace(self.joiner, " ")
        for name, position in self.columns.items():
            if not cells[position].strip() and self.missing.get(name) != cells[position]:
                gap = "" if name == FORM else f", and corpus.missing.{name}='' makes it a word without label"
                raise InputError(
                    f"{where} must have a {name} in column {position + 1}, got an empty one; "
                    f"columns are separated by {apart}{gap}."
                )
        return cells

    def width(self, line: str) -> int:
        """How many columns a file has that begins with this line, which may have too few."""
        return max(len(self.split(line)), *(position + 1 for position in self.columns.values()))

    def sentence(self, identifier: str, words: list[list[str]], document: str | None) -> Sentence:
        """Words and labels out of the cells of their lines."""
        annotations = {
            name: tuple(None if word[position] == self.missing.get(name) else word[position] for word in words)
            for name, position in self.columns.items()
            if name != FORM
        }
        return Sentence(identifier, tuple(word[self.columns[FORM]] for word in words), annotations, document=document)


def read_columns(path: Path, layout: Layout, encoding: str, passed: Counter[str]) -> Iterator[Sentence]:
    """Stream one file; InputError names file and line. `passed` counts comments within sentences."""
    words: list[list[str]] = []
    width, count, n_documents = 0, 0, 0
    for number, line in chain(lines(path, encoding), [(0, "")]):
        is_document = layout.document is not None and line.startswith(layout.document)
        if not is_document and layout.comment and line.startswith(layout.comment):
            if words:  # it may be one
                passed["comments_within_sentences_passed_over"] += 1
            continue
        if not is_document and line.strip(" \t"):
            width = width or layout.width(line)
            words.append(layout.cells(f"{path}, line {number},", line, width))
            continue
        if words:
            count += 1
            document = f"{path.stem}-{n_documents}" if n_documents else None
            yield layout.sentence(f"{path.stem}-{count}", words, document)
            words = []
        n_documents += is_document


def _positions(columns: object) -> dict[str, int]:
    if isinstance(columns, Sequence) and not isinstance(columns, str):
        named = [name for name in columns if name is not None]
        columns = {name: position for position, name in enumerate(columns) if name is not None}
        columns = columns if len(columns) == len(named) else None
    if not isinstance(columns, Mapping) or FORM not in columns:
        raise InputError(
            f"corpus.columns must give the position of {FORM} and of each column of labels, got {columns!r}; "
            "write it like {form: 0, chunk: 2} or [form, null, chunk]."
        )
    return {str(name): whole_number(f"corpus.columns.{name}", position) for name, position in columns.items()}


def _missing(missing: Mapping[str, str], positions: Mapping[str, int]) -> dict[str, str]:
    if not isinstance(missing, Mapping):
        raise InputError(f"corpus.missing must be a value for each column, got {missing!r}; write it like {{ner: O}}.")
    for name, value in missing.items():
        choice("corpus.missing", name, [position for position in positions if position != FORM])
        if not isinstance(value, str):
            raise InputError(f"corpus.missing.{name} must be text, got {value!r}; put it in quotes.")
    return dict(missing)


def _sign(name: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise InputError(f"{name} must be text, got {value!r}; put it in quotes, or leave it out.")
