"""Labelled sentences and pairs of sentences in tables: TSV, CSV, JSON lines, one file per label, plain text."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from neuronprobe.corpora.files import UTF8, ending, lines, raw_lines
from neuronprobe.corpora.splits import SplitCorpus
from neuronprobe.errors import InputError, choice
from neuronprobe.types import Sentence

FORMATS = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
"""What a file is, by its ending; any other ending is plain text, a sentence a line."""
DELIMITERS = {"tsv": "\t", "csv": ","}
HEADS = {"label", "labels", "class", "category", "target", "score", "text", "sentence", "sentence1", "question", "id"}
"""What a first line says that is a header, whoever wrote it."""

FEW_LABELS = 100
"""With fewer it is odd that a file's first line has a label of its own."""

Key = str | int


class Labelled(NamedTuple):
    """A file, and the label of all its sentences where it is one file per label."""

    path: Path
    label: str | None

    def __str__(self) -> str:
        return str(self.path)


class SentencesCorpus(SplitCorpus):
    """A sentence, or a pair, with a label in each row.

    `text` and `label` are columns by name (then the file has a header) or by number from 0; two `text` make a pair of
    sentences. `label` is null for text without labels, and where train is one file per label:
    `train: {pos: FILE, neg: FILE}`. The format (tsv, csv, jsonl, text) follows the file's ending. Sentences are words
    with blanks between them; a JSON list of words is taken as it is. An empty label is none.
    """

    kind = "sentences"

    def __init__(
        self, train: Any, dev: Any = None, test: Any = None, text: Key | Sequence[Key] = "text",
        label: Key | None = "label", header: bool | None = None, format: str | None = None, quoted: bool = True,
        prop: str = "label", encoding: str = UTF8, broken: str = "refuse", **others: Any,
    ) -> None:  # fmt: skip
        """`quoted` fields stand in double quotes where they need to; GLUE's quotes are text. `prop` is what the labels
        are of; rows that are `broken` (more or fewer columns than the first) are refused or, counted, dropped; `others`
        are arguments of `SplitCorpus`.
        """
        self._text = [_key("corpus.text", key) for key in ([text] if isinstance(text, str | int) else text or [])]
        self._label = None if label is None else _key("corpus.label", label)
        if len(self._text) not in (1, 2):
            raise InputError(f"corpus.text must be a column, or two for pairs of sentences, got {text!r}.")
        self._header, self._quoted, self._encoding, self._prop = header, quoted, encoding, prop
        self._drops = choice("corpus.broken", broken, ("refuse", "drop")) == "drop"
        self._format = None if format is None else choice("corpus.format", format, ("tsv", "csv", "jsonl", "text"))
        super().__init__(train, dev, test, **others)

    def sources(self, split: str, given: Any) -> tuple[Labelled, ...]:
        """The files of a split, each with its label where it is one file per label."""
        if isinstance(given, Mapping):
            return tuple(Labelled(one.path, str(name)) for name, files in given.items()
                         for one in self.sources(split, files))  # fmt: skip
        return tuple(Labelled(path, None) for path in super().sources(split, given))

    def join(self, streams: Sequence[Iterator[Sentence]], split: str) -> Iterator[Sentence]:
        """One after the other; in turns where each file has a label of its own, so that any part has all labels."""
        if self._sources.get(split, self._sources["train"])[0].label is None:
            return super().join(streams, split)
        return in_turns(streams)

    def read(self, source: Labelled) -> Iterator[Sentence]:
        """The sentences of one file."""
        path = source.path
        kind = self._format or FORMATS.get(ending(path), "text")
        if kind == "text":
            yield from self._plain(source)
            return
        key = self._label if source.label is None else None
        for number, row in self._rows(source, kind, key):
            where = f"{path}, line {number},"
            parts = [_words(where, row[name], name) for name in self._text]
            label = source.label if key is None else _label(where, row[key], key)
            yield self._sentence(path, number, parts, label)

    def _plain(self, source: Labelled) -> Iterator[Sentence]:
        for number, line in lines(source.path, self._encoding):
            if words := line.split():
                yield self._sentence(source.path, number, [words], source.label)

    def _sentence(self, path: Path, number: int, parts: Sequence[Sequence[str]], label: str | None) -> Sentence:
        words = tuple(word for part in parts for word in part)
        second = len(parts[0]) if len(parts) == 2 else None
        return Sentence(f"{path.stem}-{number}", words, {}, {self._prop: label}, second)

    def _rows(self, source: Labelled, kind: str, label: Key | None) -> Iterator[tuple[int, Mapping[Key, Any]]]:
        path, keys = source.path, [*self._text, *([] if label is None else [label])]
        table = json_rows(path, self._encoding) if kind == "jsonl" else self._table(source, kind, keys)
        for number, row in table:
            missing = [key for key in keys if key not in row]
            if missing:
                raise InputError(
                    f"{path}, line {number}, must have the columns of corpus.text and corpus.label, got none named "
                    f"{missing[0]!r}, but {', '.join(map(repr, row))}; give names of these, or numbers from 0."
                )
            yield number, row

    def _table(self, source: Labelled, kind: str, keys: Sequence[Key]) -> Iterator[tuple[int, Mapping[Key, Any]]]:
        """Rows of a TSV or CSV by the names of its header and by numbers."""
        path = source.path
        names: list[str] | None = None
        width, first = 0, _First(path, keys[len(self._text) :], self._header)
        has_header = any(isinstance(key, str) for key in keys) if self._header is None else self._header
        for number, cells in table_rows(path, kind, self._quoted, self._encoding):
            width = width or len(cells)
            if len(cells) != width and self._drops:
                self.passed[source]["broken_rows_dropped"] += 1
                continue
            if len(cells) != width:
                raise InputError(
                    f"{path}, line {number}, must have {width} columns as the first line has, got {len(cells)}; mend "
                    f"the line, or set corpus.quoted={str(not self._quoted).lower()}, or corpus.broken=drop."
                )
            by_number = dict[Key, str](enumerate(cells))
            if names is None:
                names = cells if has_header else []
                if has_header:
                    continue
                self._refuse_header(path, [by_number.get(key, "") for key in keys])
            first.compare(by_number)
            yield number, by_number | dict(zip(names, cells, strict=False))
        first.check()

    def _refuse_header(self, path: Path, cells: Sequence[str]) -> None:
        """Raises InputError where the first line looks like a header, and nobody said whether it is one."""
        if self._header is None and any(cell.strip().lower() in HEADS for cell in cells):
            raise InputError(
                f"{path}, line 1, must be a sentence where columns are given by number, got a header ({cells}); name "
                "the columns in corpus.text and corpus.label, or set corpus.header=true, or false if it is none."
            )


class _First:
    """The label of the first line, where nobody said whether it is a header: that of no other line, then."""

    def __init__(self, path: Path, keys: Sequence[Key], header: bool | None) -> None:
        self._path, self._label = path, ""
        self._key = keys[0] if keys and header is None else None
        self._others: set[str] = set()
        self._n_lines = 0

    def compare(self, cells: Mapping[Key, str]) -> None:
        """One line more."""
        if isinstance(self._key, int) and self._key in cells and len(self._others) < FEW_LABELS:
            label = cells[self._key].strip()
            self._label = self._label or label
            self._others |= {label} if self._n_lines else set()
            self._n_lines += 1

    def check(self) -> None:
        """Raises InputError where few labels have many lines, and the first one's has no other."""
        is_alone = self._label and self._label not in self._others
        if is_alone and 1 < len(self._others) < min(FEW_LABELS, self._n_lines / 4):
            raise InputError(
                f"{self._path}, line 1, must be a sentence where columns are given by number, got {self._label!r}, "
                "which is the label of no other line; set corpus.header=true, or false if it is none."
            )


def in_turns(streams: Sequence[Iterator[Sentence]]) -> Iterator[Sentence]:
    """A sentence of each stream, until the last one ends."""
    rest = list(streams)
    while rest:
        for stream in list(rest):
            if (sentence := next(stream, None)) is None:
                rest.remove(stream)
            else:
                yield sentence


def table_rows(path: Path, kind: str, quoted: bool, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Rows and the number of their first line. Raises InputError where a quote does not end as it should."""
    reader = csv.reader(
        raw_lines(path, encoding), delimiter=DELIMITERS[kind], strict=quoted,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )  # fmt: skip
    remedy = "mend the line, or set corpus.quoted=false if quotes are text"
    number = 1
    try:
        for cells in reader:
            if kind == "tsv" and reader.line_num > number:
                raise InputError(f"{path}, line {number}, must end its quotes, got one open at its end; {remedy}.")
            if cells:
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {number}, must be {kind.upper()}, got {error}; {remedy}.") from error


def json_rows(path: Path, encoding: str) -> Iterator[tuple[int, Mapping[Key, Any]]]:
    """The objects of JSON lines. Raises InputError where a line is none."""
    for number, line in lines(path, encoding):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}, must be a JSON object, got {line[:40]!r} ({error}).") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}, must be a JSON object, got {line[:40]!r}; write one a line.")
        yield number, row


def _words(where: str, text: Any, key: Key) -> list[str]:
    if isinstance(text, list) and all(isinstance(word, str) and word.strip() for word in text):
        words = text
    elif isinstance(text, str):
        words = text.split()
    else:
        raise InputError(f"{where} must have text in {key!r}, got {text!r}.")
    if not words:
        raise InputError(f"{where} must have words in {key!r}, got none; remove the line.")
    if any("\ud800" <= letter <= "\udfff" for word in words for letter in word):
        raise InputError(
            f"{where} must have text in {key!r}, got half a character (\\ud800 to \\udfff); mend the line."
        )
    return words


def _label(where: str, label: Any, key: Key) -> str | None:
    """The label as text; None where there is none."""
    if label is None or (isinstance(label, str) and not label.strip()):
        return None
    if isinstance(label, list | dict):
        raise InputError(f"{where} must have one label in {key!r}, got {label!r}.")
    return str(label).strip()


def _key(name: str, key: Any) -> Key:
    if isinstance(key, bool) or not isinstance(key, str | int) or key == "" or (isinstance(key, int) and key < 0):
        raise InputError(f"{name} must be a column by name, or by number from 0, got {key!r}.")
    return key
