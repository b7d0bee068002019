"""Text in columns, one word a line (CoNLL shared tasks, Parallel Meaning Bank), streamed sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from neuronprobe.corpora.files import SEPARATORS, held_out_sentences, lines, not_empty, parted, split_files
from neuronprobe.errors import InputError, choice, whole_number
from neuronprobe.types import Sentence

FORM = "form"
"""The column of the words; every other column holds labels."""


class ColumnsCorpus:
    """Annotated text, one word a line: a blank line ends a sentence, and all lines of a file have as many columns.

    `columns` gives names to places, counted from 0: `form` is the word, the others are labels. `separator` is blank
    or tab. Lines that begin with `comment` are passed over. `missing` is the value of a column that means no label,
    and `joiner` what is written for a blank within a word; all else is read as it stands.
    Without `dev`, the last `held_out` sentences of train are dev, and train ends before them.
    """

    def __init__(
        self, train: str, test: str, columns: Mapping[str, int], dev: str | None = None, held_out: int = 0,
        separator: str = "blank", comment: str | None = None, missing: Mapping[str, str] | None = None,
        joiner: str | None = None, name: str = "columns",
    ) -> None:  # fmt: skip
        self.name = name
        self._held_out = held_out_sentences(held_out, dev)
        places = _places(columns)
        self._layout = Layout(
            places, choice("corpus.separator", separator, SEPARATORS), _sign("corpus.comment", comment),
            _missing(missing or {}, places), _sign("corpus.joiner", joiner),
        )  # fmt: skip
        self._paths = split_files("text", train=train, dev=train if dev is None else dev, test=test)

    def sentences(self, split: str) -> Iterator[Sentence]:
        """The sentences of one split. Raises InputError, with file and line, where the file is empty or malformed."""
        path = self._paths[split]
        stream = not_empty(read_columns(path, self._layout), path, "text")
        return parted(stream, split, self._held_out, path) if self._held_out else stream


@dataclass(frozen=True)
class Layout:
    """How a line becomes a word and its labels; the fields are arguments of ColumnsCorpus."""

    columns: Mapping[str, int]
    separator: str
    comment: str | None
    missing: Mapping[str, str]
    joiner: str | None

    def cells(self, where: str, line: str, width: int) -> list[str]:
        """The columns of a line. Raises InputError unless there are `width`, and something in each that is read."""
        cells = line.split(SEPARATORS[self.separator])
        if len(cells) != width:
            raise InputError(
                f"{where} must have {width} columns separated by one {self.separator} each, got {len(cells)}: "
                f"{line[:40]!r}; mend the line, or set corpus.separator, corpus.columns and corpus.comment."
            )
        if self.joiner:
            cells[self.columns[FORM]] = cells[self.columns[FORM]].replace(self.joiner, " ")
        for name, place in self.columns.items():
            if not cells[place].strip() and self.missing.get(name) != cells[place]:
                gap = "" if name == FORM else f", and corpus.missing.{name}='' makes it a word without label"
                raise InputError(
                    f"{where} must have a {name} in column {place + 1}, got an empty one; "
                    f"columns are separated by one {self.separator} each{gap}."
                )
        return cells

    def width(self, line: str) -> int:
        """How many columns a file has that begins with this line, which may have too few."""
        return max(len(line.split(SEPARATORS[self.separator])), *(place + 1 for place in self.columns.values()))

    def sentence(self, identifier: str, words: list[list[str]]) -> Sentence:
        """Words and labels out of the cells of their lines."""
        annotations = {
            name: tuple(None if word[place] == self.missing.get(name) else word[place] for word in words)
            for name, place in self.columns.items()
            if name != FORM
        }
        return Sentence(identifier, tuple(word[self.columns[FORM]] for word in words), annotations)


def read_columns(path: Path, layout: Layout) -> Iterator[Sentence]:
    """Stream one file; InputError names file and line."""
    words: list[list[str]] = []
    width, count = 0, 0
    for number, line in chain(lines(path), [(0, "")]):
        if layout.comment and line.startswith(layout.comment):
            continue
        if line:
            width = width or layout.width(line)
            words.append(layout.cells(f"{path}, line {number},", line, width))
        elif words:
            count += 1
            yield layout.sentence(f"{path.stem}-{count}", words)
            words = []


def _places(columns: object) -> dict[str, int]:
    if not isinstance(columns, Mapping) or FORM not in columns or len(columns) < 2:
        raise InputError(
            f"corpus.columns must give the places of {FORM} and of at least one column of labels, got {columns!r}; "
            "write it like {form: 0, chunk: 2}."
        )
    return {str(name): whole_number(f"corpus.columns.{name}", place) for name, place in columns.items()}


def _missing(missing: Mapping[str, str], places: Mapping[str, int]) -> dict[str, str]:
    if not isinstance(missing, Mapping):
        raise InputError(f"corpus.missing must be a value for each column, got {missing!r}; write it like {{ner: O}}.")
    for name, value in missing.items():
        choice("corpus.missing", name, [place for place in places if place != FORM])
        if not isinstance(value, str):
            raise InputError(f"corpus.missing.{name} must be text, got {value!r}; put it in quotes.")
    return dict(missing)


def _sign(name: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise InputError(f"{name} must be text, got {value!r}; put it in quotes, or leave it out.")
