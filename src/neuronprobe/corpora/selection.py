"""Which sentences of a split are taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from neuronprobe.errors import InputError, whole_number
from neuronprobe.types import Sentence


class Selection:
    """Takes sentences of a split, in their order, and counts those that it passes over."""

    def __init__(
        self, max_words: int | None = None, max_sentences: int | None = None, max_length: int | None = None,
        unique: bool = False,
    ) -> None:  # fmt: skip
        """A split ends before it has more than `max_words` words or `max_sentences` sentences.

        Sentences of more than `max_length` words are passed over and, with `unique`, those whose words were there
        before: in the split, or in one before it (train, dev, test).
        """
        self._max_words = _most("corpus.max_words", max_words)
        self._max_sentences = _most("corpus.max_sentences", max_sentences)
        self._max_length = _most("corpus.max_length", max_length)
        if not isinstance(unique, bool):
            raise InputError(f"corpus.unique must be true or false, got {unique!r}.")
        self.unique = unique
        self.counts: dict[str, dict[str, int]] = {}
        """What was passed over in each split, once it has been read to its end."""

    def of(self, sentences: Iterable[Sentence], split: str, seen: set[int]) -> Iterator[Sentence]:
        """The sentences that are taken; with `unique`, hashes of them are added to `seen`."""
        n_words = n_sentences = too_long = repeated = 0
        for sentence in sentences:
            if self._max_length is not None and len(sentence.words) > self._max_length:
                too_long += 1
                continue
            if self.unique and (key := hash((sentence.words, sentence.second))) in seen:
                repeated += 1
                continue
            n_words, n_sentences = n_words + len(sentence.words), n_sentences + 1
            if n_words > (self._max_words or n_words) or n_sentences > (self._max_sentences or n_sentences):
                break
            if self.unique:
                seen.add(key)
            yield sentence
        counts = {"sentences_above_max_length": too_long, "repeated_sentences": repeated}
        self.counts[split] = {what: n for what, n in counts.items() if n}


def _most(name: str, value: int | None) -> int | None:
    return None if value is None else whole_number(name, value, 1)
