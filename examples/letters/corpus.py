"""A corpus: lines of `word/number`, number being singular, plural or -."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from neuronprobe.errors import InputError
from neuronprobe.types import Sentence


class Slashes:
    """The three files of a folder: train.txt, dev.txt and test.txt."""

    name = "slashes"

    def __init__(self, folder: str | None = None) -> None:
        """`folder` is that of this package's own text, if it is left out. Raises InputError where it is none."""
        self.folder = Path(__file__).parent / "text" if folder is None else Path(folder)
        if not self.folder.is_dir():
            raise InputError(f"corpus.folder must be a folder, got {str(self.folder)!r}.")

    def sentences(self, split: str) -> Iterator[Sentence]:
        """Yield the sentences of train, dev or test, one at a time."""
        path = self.folder / f"{split}.txt"
        with path.open(encoding="utf-8") as lines:
            for n, line in enumerate(lines, 1):
                pairs = [pair.rpartition("/") for pair in line.split()]
                if not all(slash for _, slash, _ in pairs):
                    raise InputError(f"{path} must have word/number separated by blanks, got {line!r} in line {n}.")
                numbers = tuple(None if number == "-" else number for _, _, number in pairs)
                yield Sentence(f"{split}-{n}", tuple(word for word, _, _ in pairs), {"number": numbers})
