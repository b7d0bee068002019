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


def forms_digest(sentences: Iterable[Sentence]) -> tuple[str, int, int]:
    """sha256 of the words and sentence ends alone (no labels), with the numbers of sentences and words."""
    digest, n_sentences, n_words = hashlib.sha256(), 0, 0
    for sentence in sentences:
        digest.update("\x1f".join(sentence.words).encode() + b"\x1e")
        n_sentences += 1
        n_words += len(sentence.words)
    return digest.hexdigest(), n_sentences, n_words
