"""One pass of the corpus through a source of activations (the frozen transformer hook), into the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from neuronprobe.activations.store import StoreWriter
from neuronprobe.models import Source
from neuronprobe.progress import bar
from neuronprobe.types import Sentence

CHUNK_BYTES = 192 * 2**20
"""Activations (float32) between two marks of progress: a killed run loses at most these."""


def extract(
    source: Source, sentences: Iterable[Sentence], writer: StoreWriter, n_rows: int, name: str, budget: int
) -> bool:
    """Write the activations of all rows that the writer lacks; `budget` is subwords per batch, padding included.

    False where some layers have to be written anew (`StoreWriter.settle`): extract again, with the same sentences.
    """
    with bar(f"extracting {name} ({source.level}s)", n_rows, writer.words_done) as advance:
        rest = _after(sentences, writer.words_done, source.level)
        for chunk, prepared in ahead(source, chunks(rest, len(source.neurons), source.level)):
            read = source.chunk(chunk, prepared, budget)
            writer.append(read.layers, read.dropped, read.windows)
            advance(writer.words_done)
    if not writer.settle():
        return False
    writer.finish()
    return True


def ahead(source: Source, found: Iterable[list[Sentence]]) -> Iterator[tuple[list[Sentence], Any]]:
    """Each chunk with its subwords; the next one's are made, in a thread, while this one is read."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for chunk in found:
            coming = (chunk, pool.submit(source.tokenise, chunk))
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = coming
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def n_rows(sentence: Sentence, level: str) -> int:
    """Rows of the store that a sentence takes."""
    return 1 if level == "sentence" else len(sentence.words)


def chunks(sentences: Iterable[Sentence], n_neurons: int, level: str = "word") -> Iterator[list[Sentence]]:
    """Consecutive sentences whose activations are held in memory together."""
    chunk: list[Sentence] = []
    rows = 0
    for sentence in sentences:
        chunk.append(sentence)
        rows += n_rows(sentence, level)
        if 4 * rows * n_neurons >= CHUNK_BYTES:
            yield chunk
            chunk, rows = [], 0
    if chunk:
        yield chunk


def _after(sentences: Iterable[Sentence], rows_done: int, level: str) -> Iterator[Sentence]:
    seen = 0
    for sentence in sentences:
        seen += n_rows(sentence, level)
        if seen > rows_done:
            yield sentence


def read_sentences(source: Source, sentences: Sequence[Sentence], budget: int) -> Any:
    """The activations of some sentences at once."""
    return source.chunk(sentences, source.tokenise(sentences), budget)
