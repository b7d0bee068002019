"""What a corpus is to the rest of the house."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Protocol

from neuronprobe.types import Sentence

SPLITS = ("train", "dev", "test")


class Corpus(Protocol):
    """Annotated sentences with the splits train, dev and test; each call of `sentences` streams anew."""

    name: str

    def sentences(self, split: str) -> Iterator[Sentence]:
        """The sentences of one split, in the order of the file. Raises InputError where the file is malformed."""
        ...


class Forms:
    """What is counted and digested of the sentences that stream through: words and sentence ends alone, no labels."""

    def __init__(self) -> None:
        self.n_sentences = self.n_words = 0
        self._digest = hashlib.sha256()

    def of(self, sentences: Iterable[Sentence]) -> Iterator[Sentence]:
        """The sentences, one by one, on their way to what reads them."""
        for sentence in sentences:
            self._digest.update("\x1f".join(sentence.words).encode() + b"\x1e")
            self.n_sentences += 1
            self.n_words += len(sentence.words)
            yield sentence

    @property
    def digest(self) -> str:
        """sha256 of what has passed."""
        return self._digest.hexdigest()
