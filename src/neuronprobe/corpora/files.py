"""What every corpus that lies in text files shares: its paths, its lines, its first sentence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from neuronprobe.errors import InputError
from neuronprobe.types import Sentence


def split_files(kind: str, **paths: str) -> dict[str, Path]:
    """The file of each split. Raises InputError where there is none; `kind` says what it should have been."""
    found = {split: Path(str(path)) for split, path in paths.items()}
    for split, path in found.items():
        if not path.is_file():
            raise InputError(f"corpus.{split} must be a {kind} file, got {str(path)!r}; there is no such file.")
    return found


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and their numbers from 1, without line ends and byte order mark. Raises InputError where not UTF-8."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, after line {number}, must be UTF-8 text, got {error.reason}; save it as UTF-8."
        ) from error


def not_empty(sentences: Iterator[Sentence], path: Path, kind: str) -> Iterator[Sentence]:
    """The same sentences. Raises InputError, at once, if there are none."""
    first = next(sentences, None)
    if first is None:
        raise InputError(f"{path} must hold at least one sentence, got none; is it a {kind} file?")
    return chain([first], sentences)
