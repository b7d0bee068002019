"""One pass of the corpus through a source of activations (the frozen transformer hook), into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, tee
from typing import Any

from neuronprobe.activations.store import StoreWriter
from neuronprobe.models import Source
from neuronprobe.models.source import Chunk
from neuronprobe.processes import ALONE, Processes
from neuronprobe.progress import bar
from neuronprobe.types import Sentence

CHUNK_BYTES = 192 * 2**20
"""Activations (float32) between two marks of progress: a killed run loses at most these."""


def extract(
    source: Source, sentences: Iterable[Sentence], writer: StoreWriter, n_rows: int, name: str, budget: int,
    processes: Processes = ALONE,
) -> bool:  # fmt: skip
    """Write the activations of all rows that the writer lacks; `budget` is subwords per batch, padding included.

    False where some layers have to be written anew (`StoreWriter.settle`): extract again, with the same sentences.
    Other processes read their share at the same time (`read_share`).
    """
    with bar(f"extracting {name} ({source.level}s)", n_rows, writer.words_done) as advance:
        done = processes.agree(lambda: writer.words_done)
        for read in _in_turn(source, _after(sentences, done, source.level), budget, processes):
            writer.append(read.layers, read.dropped, read.windows)
            advance(writer.words_done)
    if not writer.settle():
        return False
    writer.finish()
    return True


def read_share(source: Source, sentences: Callable[[], Iterable[Sentence]], budget: int, processes: Processes) -> None:
    """What a process does that does not write: it reads every so many chunks for the one that does, until all are."""
    while (done := processes.agree(lambda: None)) is not None:
        found = chunks(_after(sentences(), done, source.level), len(source.neurons), source.level)
        for read in _share(source, found, budget, processes):
            processes.hand_over(read)


def _in_turn(source: Source, sentences: Iterable[Sentence], budget: int, processes: Processes) -> Iterator[Chunk]:
    """All chunks in the order of the text, whichever process reads them: the store is that of one process."""
    turns, own = tee(chunks(sentences, len(source.neurons), source.level))
    mine = _share(source, own, budget, processes)
    for turn, _ in enumerate(turns):
        number = turn % processes.count
        yield next(mine) if number == 0 else processes.taken_from(number)


def _share(source: Source, found: Iterable[list[Sentence]], budget: int, processes: Processes) -> Iterator[Chunk]:
    """The chunks that this process reads."""
    for chunk, prepared in ahead(source, islice(found, processes.number, None, processes.count)):
        yield source.chunk(chunk, prepared, budget)


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
