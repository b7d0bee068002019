"""What an extraction will take, before it begins: every split is tokenised, disk and time are estimated."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from neuronprobe.activations.extraction import chunks
from neuronprobe.corpora import Corpus
from neuronprobe.errors import InputError
from neuronprobe.models import Source
from neuronprobe.progress import duration

TRIAL, TIMES = 32, 3
"""Sentences that are read to tell how long all will take, and how often."""
WORTH_IT = 512
"""With fewer sentences the trial would take as long as the extraction."""


@dataclass(frozen=True)
class Preview:
    """Rows and bytes of each split; seconds of all, where they could be estimated."""

    level: str
    rows: Mapping[str, int]
    n_bytes: Mapping[str, int]
    n_neurons: int
    seconds: float | None

    def text(self, folder: Path) -> str:
        """One line for the screen."""
        free = shutil.disk_usage(folder).free
        about = "" if self.seconds is None else f", about {duration(self.seconds)}"
        return (
            f"to extract: {sum(self.rows.values()):,} {self.level}s ({', '.join(self.rows)}) × {self.n_neurons:,} "
            f"neurons, {sum(self.n_bytes.values()) / 1e9:.2f} GB of {free / 1e9:.0f} GB free{about}."
        )


def preview(
    source: Source, corpus: Corpus, rows: Mapping[str, int], stores: Mapping[str, Path], itemsize: int, budget: int
) -> Preview:
    """What the stores of these splits will take; all their sentences are tokenised.

    Raises InputError where a word gives no subword or a sentence is too long, in whatever split, and where the disk
    can't hold all stores together.
    """
    n_neurons = len(source.neurons)
    n_bytes = {split: n * n_neurons * itemsize for split, n in rows.items()}
    _check_disk(n_bytes, stores)
    n_subwords = n_sentences = 0
    for split in rows:
        for chunk in chunks(corpus.sentences(split), n_neurons, source.level):
            pieces = source.tokenise(chunk) or ()
            n_subwords += sum(len(piece) for piece in pieces)
            n_sentences += len(chunk)
    seconds = None
    if n_subwords and n_sentences >= WORTH_IT:
        seconds = n_subwords * _seconds_per_subword(source, corpus, next(iter(rows)), budget)
    return Preview(source.level, rows, n_bytes, n_neurons, seconds)


def _seconds_per_subword(source: Source, corpus: Corpus, split: str, budget: int) -> float:
    """Of the first sentences: the least of some times, once the model is warm and nothing else took the processor."""
    sentences = list(islice(corpus.sentences(split), TRIAL))
    pieces = source.tokenise(sentences)
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        source.chunk(sentences, pieces, budget)
        seconds.append(time.perf_counter() - start)
    return min(seconds) / sum(len(piece) for piece in pieces)


def _check_disk(n_bytes: Mapping[str, int], stores: Mapping[str, Path]) -> None:
    aside = [store.with_name(f"{store.name}.partial") for store in stores.values()]
    there = sum(path.stat().st_size for folder in aside for path in folder.glob("*.npy"))
    folder = next(iter(stores.values())).parent
    wanted, free = sum(n_bytes.values()) - there, shutil.disk_usage(folder).free
    if free < wanted:
        wanted_gb, free_gb = f"{wanted / 1e9:.2f} GB", f"{free / 1e9:.2f} GB"
        raise InputError(
            f"activations.folder must have {wanted_gb} free for {', '.join(n_bytes)}, got {free_gb} at {folder}; "
            "free some, choose another folder, take activations=live, which has no store, or fewer words with "
            "corpus.max_words."
        )
