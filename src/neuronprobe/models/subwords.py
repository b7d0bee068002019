"""Subword to word: which subword stands for each word, verified for every batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from neuronprobe.errors import InputError
from neuronprobe.types import Sentence

POLICIES = {"too_long": ("refuse", "windows"), "no_subword": ("refuse", "drop")}
"""What is done with a sentence beyond the model's length, and with a word that gives no subword."""


@dataclass(frozen=True)
class SubwordSentence:
    """A sentence, or a window of a long one, as the model sees it.

    `last[i]` is the position of the last subword of the word that is row `rows[i]` of its chunk.
    """

    ids: list[int]
    type_ids: list[int] | None
    last: list[int]
    rows: list[int]
    is_window: bool = False

    def __len__(self) -> int:
        return len(self.ids)


class SubwordSplitter:
    """Tokenises whole words and aligns them by word ids."""

    def __init__(self, tokenizer: Any, limit: int, too_long: str, no_subword: str) -> None:
        """`limit` is the most subwords that the model takes, special tokens included."""
        self._tokenizer, self._limit = tokenizer, limit
        self._windows, self._drop = too_long == "windows", no_subword == "drop"

    def __call__(self, sentences: Sequence[Sentence]) -> list[SubwordSentence]:
        """One piece per sentence, several for one in windows.

        Raises InputError, naming sentence and word, where a word gives no subword or a sentence is too long and
        the policy is to refuse.
        """
        starts = list(accumulate((len(sentence.words) for sentence in sentences), initial=0))
        words = [list(sentence.words) for sentence in sentences]
        pieces: list[SubwordSentence] = []
        for sentence, start, piece in zip(sentences, starts, self._encode(words), strict=False):
            ids, type_ids, word_ids = piece
            last = {word: position for position, word in enumerate(word_ids) if word is not None}
            self._check(sentence, last)
            if len(ids) > self._limit:
                pieces += self._in_windows(sentence, start, word_ids)
            elif last:
                rows = [start + word for word in last]
                pieces.append(SubwordSentence(ids, type_ids, list(last.values()), rows))
        return pieces

    def _encode(self, words: list[list[str]]) -> Iterator[tuple[list[int], list[int] | None, list[int | None]]]:
        encoding = self._tokenizer(words, is_split_into_words=True, truncation=False, padding=False, verbose=False)
        type_ids = encoding.get("token_type_ids")
        for i in range(len(words)):
            yield encoding["input_ids"][i], type_ids[i] if type_ids is not None else None, encoding.word_ids(i)

    def _check(self, sentence: Sentence, last: dict[int, int]) -> None:
        missing = next((index for index in range(len(sentence.words)) if index not in last), None)
        if missing is not None and not self._drop:
            raise InputError(
                f"word {missing + 1} of sentence {sentence.id} must give at least one subword, got none for "
                f"{sentence.words[missing]!r}; remove the word from the corpus, or drop it with model.no_subword=drop."
            )

    def _in_windows(self, sentence: Sentence, start: int, word_ids: list[int | None]) -> Iterator[SubwordSentence]:
        if not self._windows:
            raise InputError(
                f"sentence {sentence.id} must have at most {self._limit} subwords, which is all the model takes, got "
                f"{len(word_ids)}; split it in the corpus, or set model.too_long=windows."
            )
        sizes = [0] * len(sentence.words)
        for word in word_ids:
            if word is not None:
                sizes[word] += 1
        windows = overlapping_windows(sizes, self._limit - word_ids.count(None), sentence.id)
        owners = [most_central(word, windows) for word in range(len(sizes))]
        encoded = self._encode([list(sentence.words[first:end]) for first, end in windows])
        for which, ((first, _), (ids, type_ids, local_ids)) in enumerate(zip(windows, encoded, strict=True)):
            last = {first + word: at for at, word in enumerate(local_ids) if word is not None}
            mine = {word: at for word, at in last.items() if owners[word] == which}
            yield SubwordSentence(ids, type_ids, list(mine.values()), [start + word for word in mine], is_window=True)


def overlapping_windows(sizes: Sequence[int], limit: int, name: str) -> list[tuple[int, int]]:
    """Runs of words (first, end) of at most `limit` subwords, each beginning in the middle of the one before."""
    windows, first = [], 0
    while True:
        end, used = first, 0
        while end < len(sizes) and used + sizes[end] <= limit:
            used += sizes[end]
            end += 1
        if end == first:
            raise InputError(
                f"word {first + 1} of sentence {name} must have at most {limit} subwords, got {sizes[first]}."
            )
        windows.append((first, end))
        if end == len(sizes):
            return windows
        first += max(1, (end - first) // 2)


def most_central(word: int, windows: Sequence[tuple[int, int]]) -> int:
    """The window in which a word is farthest from a cut; the ends of the sentence are no cuts."""
    n_words = windows[-1][1]

    def distance(which: int) -> int:
        first, end = windows[which]
        if not first <= word < end:
            return -1
        return min(n_words if first == 0 else word - first, n_words if end == n_words else end - 1 - word)

    return max(range(len(windows)), key=distance)
