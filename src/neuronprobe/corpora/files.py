"""What every corpus that lies in text files shares: its paths, its lines, its first sentence."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from neuronprobe.errors import InputError, whole_number
from neuronprobe.types import Sentence

SEPARATORS = {"blank": " ", "tab": "\t"}
"""What may stand between two parts of a line: exactly one of it."""


def split_files(kind: str, **paths: str) -> dict[str, Path]:
    """The file of each split. Raises InputError where there is none; `kind` says what it should have been."""
    found = {split: Path(str(path)) for split, path in paths.items()}
    for split, path in found.items():
        if not path.is_file():
            raise InputError(f"corpus.{split} must be a {kind} file, got {str(path)!r}; there is no such file.")
    return found


def lines(path: Path, encoding: str = "utf-8-sig") -> Iterator[tuple[int, str]]:
    """Lines and their numbers from 1, without line ends and byte order mark.

    Raises InputError where they are not UTF-8 (or `encoding`).
    """
    number = 0
    try:
        with path.open(encoding=encoding, newline="\n") as file:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, after line {number}, must be UTF-8 text, got {error.reason}; save it as UTF-8."
        ) from error
    except LookupError as error:
        raise InputError(f"corpus.encoding must be a known encoding of text, got {encoding!r}.") from error


def not_empty(sentences: Iterator[Sentence], path: Path, kind: str) -> Iterator[Sentence]:
    """The same sentences. Raises InputError, at once, if there are none."""
    first = next(sentences, None)
    if first is None:
        raise InputError(f"{path} must hold at least one sentence, got none; is it a {kind} file?")
    return chain([first], sentences)


def held_out_sentences(n: object, dev: str | None) -> int:
    """How many sentences of train are dev. Raises InputError unless dev is either a file or held out."""
    n = whole_number("corpus.held_out", n)
    if (n > 0) == (dev is not None):
        raise InputError(
            f"corpus.dev must be a file, or corpus.held_out at least 1, got {'both' if n else 'neither'}; give one."
        )
    return n


def parted(stream: Iterator[Sentence], split: str, held_out: int, path: Path) -> Iterator[Sentence]:
    """The file of train without its last sentences, or (dev) these; they alone are in memory. All of test."""
    last: deque[Sentence] = deque()
    is_enough = split == "test"
    for sentence in stream:
        last.append(sentence)
        if len(last) > (0 if split == "test" else held_out):
            is_enough, before = True, last.popleft()
            if split != "dev":
                yield before
    if not is_enough:
        raise InputError(
            f"corpus.held_out must be less than the {len(last)} sentences of {path}, got {held_out}; "
            "something must be left for train."
        )
    if split == "dev":
        yield from last
