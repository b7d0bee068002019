"""One pass over each split of a corpus, for one property or for several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import tee

from neuronprobe.activations.contents import Contents
from neuronprobe.corpora import SPLITS, Corpus, Forms
from neuronprobe.errors import InputError
from neuronprobe.properties import Property
from neuronprobe.properties.units import Collector
from neuronprobe.types import Sentence, Unit

AT_A_TIME = 1000
"""Sentences that stay in memory for the slower of several properties."""


class Reading:
    """What properties find in a corpus: each split is read once for all of them.

    Before that, train is read for each property that learns from it. One that can't be used does not stop the others.
    """

    def __init__(self, corpus: Corpus, props: Sequence[Property]) -> None:
        self._corpus = corpus
        self._readers = {id(prop): _Reader(prop) for prop in props}
        self._is_read = False

    def of(self, prop: Property) -> dict[str, Contents]:
        """The contents of each split. Raises InputError where the corpus or this property can't be used."""
        if not self._is_read:
            for reader in self._readers.values():
                reader.learn(self._corpus)
            for split in SPLITS:
                self._read(split)
            self._is_read = True
        return self._readers[id(prop)].contents()

    def _read(self, split: str) -> None:
        """Raises InputError where the corpus is malformed, whichever property was about to read it."""
        forms, broken = Forms(), list[InputError]()
        sentences = _watched(forms.of(self._corpus.sentences(split)), broken)
        going = [reader for reader in self._readers.values() if reader.error is None]
        for reader, stream in zip(going, tee(sentences, len(going)), strict=True):
            reader.begin(stream)
        until = AT_A_TIME if len(going) > 1 else math.inf
        while going:
            going = [reader for reader in going if reader.take(until)]
            until += AT_A_TIME
        for _ in sentences:  # what no property asked for
            pass
        if broken:
            raise broken[0]
        for reader in self._readers.values():
            reader.end(split, forms)


class _Reader:
    """One property on its way through the splits: its units so far, or why there are none."""

    def __init__(self, prop: Property) -> None:
        self._prop = prop
        self._contents: dict[str, Contents] = {}
        self._units: Iterator[Unit] = iter(())
        self.error: InputError | None = None

    def learn(self, corpus: Corpus) -> None:
        if hasattr(self._prop, "learn"):
            try:
                self._prop.learn(corpus.sentences("train"))
            except InputError as error:
                self.error = error

    def begin(self, sentences: Iterable[Sentence]) -> None:
        self._collector, self._units = Collector(), iter(self._prop.units(sentences))

    def take(self, until: float) -> bool:
        """Take the units of the sentences before `until`; whether there may be more."""
        try:
            return self._collector.take(self._units, until)
        except InputError as error:
            self.error, self._units = error, iter(())  # what it has not read need not wait for it
            return False

    def end(self, split: str, forms: Forms) -> None:
        if self.error is not None:
            return
        try:
            units = self._collector.units()
        except InputError as error:
            self.error = error
            return
        level = self._prop.level
        if not len(units):
            self.error = InputError(f"property {self._prop.name} must label at least one {level} of {split}, got none.")
        self._contents[split] = Contents(units, forms, forms.n_sentences if level == "sentence" else forms.n_words)

    def contents(self) -> dict[str, Contents]:
        if self.error is not None:
            raise self.error
        return self._contents


def _watched(sentences: Iterator[Sentence], broken: list[InputError]) -> Iterator[Sentence]:
    """The sentences; an error of the corpus is remembered, since a stream that was read by several ends in it once."""
    try:
        yield from sentences
    except InputError as error:
        broken.append(error)
        raise
