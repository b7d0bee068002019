"""What a corpus is to the rest of the house."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from neuronprobe.types import Sentence

SPLITS = ("train", "dev", "test")


class Corpus(Protocol):
    """Annotated sentences with the splits train, dev and test; each call of `sentences` streams anew."""

    name: str

    def sentences(self, split: str) -> Iterator[Sentence]:
        """The sentences of one split, in the order of the file. Raises InputError where the file is malformed."""
        ...


class Forms:
    """What is counted and digested of the sentences that stream through: words and sentence ends alone, no labels.

    A number of eight bytes stays of each sentence, by which the sentences of two splits are compared.
    """

    def __init__(self) -> None:
        self.n_sentences = self.n_words = 0
        self._digest = hashlib.sha256()
        self._hashes = array("q")

    def of(self, sentences: Iterable[Sentence]) -> Iterator[Sentence]:
        """The sentences, one by one, on their way to what reads them."""
        for sentence in sentences:
            text = "\x1f".join(sentence.words)
            self._digest.update(text.encode() + b"\x1e")
            if sentence.second is not None:
                self._digest.update(b"%d\x1d" % sentence.second)
            self._hashes.append(hash((text, sentence.second)))
            self.n_sentences += 1
            self.n_words += len(sentence.words)
            yield sentence

    def said_in(self, other: Forms) -> int:
        """How many of the sentences that have passed are among another's, word for word."""
        return int(np.isin(np.asarray(self._hashes), np.asarray(other._hashes)).sum())

    @property
    def digest(self) -> str:
        """sha256 of what has passed."""
        return self._digest.hexdigest()
