"""How sentences come into train, dev and test: what every corpus of this room shares."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import Any

from neuronprobe.corpora.corpus import SPLITS
from neuronprobe.corpora.files import text_files
from neuronprobe.corpora.selection import Selection
from neuronprobe.drawing import uniform
from neuronprobe.errors import InputError, number, whole_number
from neuronprobe.types import Sentence


class SplitCorpus:
    """Annotated text in one or several files for each split; a subclass reads a file.

    Without `dev`, the last `held_out` sentences of train are dev. With `ratios` (of train, dev, test), the files of
    train are all there is: documents are drawn by `seed`, or sentences where there are no documents (the same words
    always come into the same split), so shares are met but for chance.
    """

    kind = "text"
    """What a file should be, in errors."""

    def __init__(
        self, train: Any, dev: Any = None, test: Any = None, held_out: int = 0,
        ratios: Sequence[float] | None = None, seed: int = 0, name: str | None = None, batch_size: int | None = None,
        max_words: int | None = None, max_sentences: int | None = None, max_length: int | None = None,
        unique: bool = False,
    ) -> None:  # fmt: skip
        """`batch_size` is what probes on few words are best trained with, where that was measured; the last four are
        arguments of `Selection`. Raises InputError where files are not there, or splits are not given once each.
        """
        self.name, self.batch_size = name or type(self).__name__.removesuffix("Corpus").lower(), batch_size
        self.selection = Selection(max_words, max_sentences, max_length, unique)
        self._held_out = whole_number("corpus.held_out", held_out)
        self._ratios, self._seed = _shares(ratios), whole_number("corpus.seed", seed)
        given = {"train": train, "dev": dev, "test": test}
        _check_splits(given, self._held_out, self._ratios is not None)
        self._sources = {split: self.sources(split, one) for split, one in given.items() if one is not None}
        self._seen: dict[str, set[int]] = {}
        self.passed: defaultdict[Any, Counter[str]] = defaultdict(Counter)
        """What was passed over in each file, by what it was; readers count it."""

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """What was passed over in the files of each split and by the selection, once it has been read to its end."""
        found = {split: dict(counted) for split, counted in self.selection.counts.items()}
        for split, sources in self._sources.items():
            for source in sources:
                for what, n in self.passed[source].items():
                    own = found.setdefault(split, {})
                    own[what] = own.get(what, 0) + n
        return found

    def sources(self, split: str, given: Any) -> tuple[Any, ...]:
        """The files of a split. Raises InputError where there is none."""
        return text_files(split, given, self.kind)

    def read(self, source: Any) -> Iterator[Sentence]:
        """The sentences of one file. Raises InputError, with file and line, where it is malformed."""
        raise NotImplementedError

    def join(self, streams: Sequence[Iterator[Sentence]], split: str) -> Iterator[Sentence]:
        """The sentences of all files of a split."""
        return chain.from_iterable(streams)

    def sentences(self, split: str) -> Iterator[Sentence]:
        """The sentences of one split. Raises InputError, with file and line, where a file is empty or malformed."""
        before = SPLITS[: SPLITS.index(split)] if self.selection.unique else ()
        for one in before:
            if one not in self._seen:
                deque(self.sentences(one), maxlen=0)
        seen = set().union(*(self._seen[one] for one in before))
        yield from self.selection.of(self._parted(split), split, seen)
        self._seen[split] = seen

    def _parted(self, split: str) -> Iterator[Sentence]:
        sources = self._sources.get(split, self._sources["train"])
        stream = self.join([self._not_empty(source) for source in sources], split)
        if self._ratios is not None:
            return drawn_part(stream, split, self._ratios, self._seed)
        where = ", ".join(map(str, sources))
        return without_held_out(stream, split, self._held_out, where) if self._held_out else stream

    def _not_empty(self, source: Any) -> Iterator[Sentence]:
        """Raises InputError if there are no sentences."""
        is_empty = True
        self.passed[source] = Counter()
        for sentence in self.read(source):
            is_empty = False
            yield sentence
        if is_empty:
            raise InputError(f"{source} must hold at least one sentence, got none; is it a {self.kind} file?")


def without_held_out(stream: Iterator[Sentence], split: str, held_out: int, where: str) -> Iterator[Sentence]:
    """The sentences of train without the last ones, or (dev) these; they alone are in memory. All of test."""
    if split == "test":
        yield from stream
        return
    last: deque[Sentence] = deque()
    is_enough = False
    for sentence in stream:
        last.append(sentence)
        if len(last) > held_out:
            is_enough, before = True, last.popleft()
            if split == "train":
                yield before
    if not is_enough:
        raise InputError(
            f"corpus.held_out must be less than the {len(last)} sentences of {where}, got {held_out}; "
            "something must be left for train."
        )
    if split == "dev":
        yield from last


def drawn_part(stream: Iterator[Sentence], split: str, ends: Sequence[float], seed: int) -> Iterator[Sentence]:
    """The documents (or sentences) whose draw falls to the split; `ends` are the cumulative shares.

    Raises InputError where none does.
    """
    which = SPLITS.index(split)
    low, high = (0.0, *ends)[which], ends[which]
    is_empty = True
    for sentence in stream:
        if low <= uniform(seed, sentence.document or "\x1f".join(sentence.words)) < high:
            is_empty = False
            yield sentence
    if is_empty:
        raise InputError(
            f"corpus.ratios must leave sentences for {split}, got none of so small a corpus; raise its share, choose "
            "another corpus.seed, or give files."
        )


def _shares(ratios: Any) -> tuple[float, ...] | None:
    """The cumulative shares of train, dev and test. Raises InputError unless they are three and give 1."""
    if ratios is None:
        return None
    if not isinstance(ratios, Sequence) or isinstance(ratios, str) or len(ratios) != len(SPLITS):
        raise InputError(f"corpus.ratios must be the shares of train, dev and test, got {ratios!r}: [0.8,0.1,0.1].")
    ends = tuple(accumulate(number("each of corpus.ratios", share, 1e-6, 1) for share in ratios))
    if abs(ends[-1] - 1) > 1e-6:
        raise InputError(f"corpus.ratios must give 1 together, got {ends[-1]:g}; write them like [0.8,0.1,0.1].")
    return (*ends[:-1], 1.0)


def _check_splits(given: dict[str, Any], held_out: int, has_ratios: bool) -> None:
    """Raises InputError unless train, dev and test are files, held out or drawn, each in one way."""
    others = [split for split in ("dev", "test") if given[split] is not None]
    if given["train"] is None:
        raise InputError("corpus.train must be a file, got null.")
    if has_ratios:
        if others or held_out:
            also = ", ".join([*(f"corpus.{split}" for split in others), *["corpus.held_out"] * bool(held_out)])
            raise InputError(f"corpus.ratios must stand with corpus.train alone, got {also} too; leave it out.")
        return
    if (held_out > 0) == ("dev" in others):
        raise InputError(
            f"corpus.dev must be a file, or corpus.held_out at least 1, got {'both' if held_out else 'neither'}; "
            "give one, or part corpus.train by corpus.ratios=[0.8,0.1,0.1]."
        )
    if "test" not in others:
        raise InputError("corpus.test must be a file, got none; or part corpus.train by corpus.ratios=[0.8,0.1,0.1].")
