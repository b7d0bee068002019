"""Subword to word: which subwords are each word's, or the sentence's; verified for every sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neuronprobe.errors import InputError
from neuronprobe.models.network.aggregation import OF_SENTENCES
from neuronprobe.types import Sentence

POLICIES = {"too_long": ("refuse", "windows"), "no_subword": ("refuse", "drop")}
"""What is done with a sentence beyond the model's length, and with a word that gives no subword."""


@dataclass(frozen=True)
class SubwordSentence:
    """A sentence, or a window of a long one, as the model sees it.

    The subwords at positions `spans[i]` (first, end) become row `rows[i]` of the chunk: a word's, or the sentence's.
    """

    ids: list[int]
    type_ids: list[int] | None
    spans: list[tuple[int, int]]
    rows: list[int]
    is_window: bool = False

    def __len__(self) -> int:
        return len(self.ids)


Encoded = tuple[list[int], list[int] | None, list[int | None]]
"""Subword ids, type ids, and the word of each subword (None for special tokens)."""


class SubwordSplitter:
    """Tokenises whole words and aligns them by word ids."""

    def __init__(
        self, tokenizer: Any, limit: int, too_long: str, no_subword: str, aggregation: str = "last",
        special_tokens: bool = False,
    ) -> None:  # fmt: skip
        """`limit` is the most subwords that the model takes, special tokens included.

        With `special_tokens` the mean and the last subword of a sentence count them.
        """
        self._tokenizer, self._limit = tokenizer, limit
        self._windows, self._drop = too_long == "windows", no_subword == "drop"
        self._sentence = aggregation if aggregation in OF_SENTENCES else None
        self._special_tokens = special_tokens
        self._lead = _lead(tokenizer)

    def __call__(self, sentences: Sequence[Sentence]) -> list[SubwordSentence]:
        """One piece per sentence, several for one in windows.

        Raises InputError, naming sentence and word, where a word gives no subword or a sentence is too long and
        the policy is to refuse.
        """
        pieces: list[SubwordSentence] = []
        start = 0
        encoded = self._encode([list(sentence.words) for sentence in sentences], [one.second for one in sentences])
        for number, (sentence, piece) in enumerate(zip(sentences, encoded, strict=True)):
            if self._sentence:
                pieces.append(self._whole(sentence, number, piece))
            else:
                pieces += self._words(sentence, start, piece)
            start += len(sentence.words)
        return pieces

    def _words(self, sentence: Sentence, start: int, encoded: Encoded) -> Iterator[SubwordSentence]:
        """A row for each word."""
        ids, type_ids, word_ids = encoded
        spans = word_spans(word_ids)
        self._check(sentence, spans)
        if len(ids) > self._limit and sentence.second is not None:
            raise self._too_long(sentence, len(ids), "a pair is not read in windows; shorten it in the corpus")
        if len(ids) > self._limit:
            yield from self._in_windows(sentence, start, word_ids)
        elif spans:
            yield SubwordSentence(ids, type_ids, list(spans.values()), [start + word for word in spans])

    def _whole(self, sentence: Sentence, number: int, encoded: Encoded) -> SubwordSentence:
        """One row for the sentence."""
        ids, type_ids, word_ids = encoded
        own = [at for at, word in enumerate(word_ids) if word is not None or self._special_tokens]
        if len(ids) > self._limit:
            raise self._too_long(sentence, len(ids), "split it in the corpus")
        if self._sentence == "sentence_cls":
            first = next((at for at, one in enumerate(ids) if one == self._tokenizer.cls_token_id), None)
            if first is None:
                raise InputError(
                    "model.aggregation must be sentence_mean or sentence_last for a tokenizer that puts no [CLS] into "
                    f"sentences, got {self._sentence}."
                )
            span = (first, first + 1)
        elif own:
            span = (own[0], own[-1] + 1)
        else:
            raise InputError(f"sentence {sentence.id} must give at least one subword, got none; remove it.")
        return SubwordSentence(ids, type_ids, [span], [number])

    def _encode(self, words: list[list[str]], seconds: Sequence[int | None] = ()) -> Iterator[Encoded]:
        """Each sentence by itself; one with a second (the number of its first word) as a pair of two segments."""
        words = [[f"{self._lead}{word}" for word in sentence] for sentence in words]
        seconds = seconds or [None] * len(words)
        if not self._tokenizer.is_fast:
            yield from (self._word_by_word(sentence, second) for sentence, second in zip(words, seconds, strict=True))
        elif len(kinds := {second is None for second in seconds}) > 1:
            for sentence, second in zip(words, seconds, strict=True):
                yield from self._encode_alike([sentence], [second])
        elif kinds:
            yield from self._encode_alike(words, seconds)

    def _encode_alike(self, words: list[list[str]], seconds: Sequence[int | None]) -> Iterator[Encoded]:
        """Sentences, or pairs of sentences, but not both."""
        pairs = None if seconds[0] is None else [one[second:] for one, second in zip(words, seconds, strict=True)]
        encoding = self._tokenizer(
            [one[:second] for one, second in zip(words, seconds, strict=True)], pairs, is_split_into_words=True,
            truncation=False, padding=False, verbose=False,
        )  # fmt: skip
        type_ids = encoding.get("token_type_ids")
        for i, second in enumerate(seconds):
            word_ids = encoding.word_ids(i)
            if second is not None:  # the words of each segment are numbered from 0
                segments = encoding.sequence_ids(i)
                word_ids = [w if w is None or s == 0 else w + second for w, s in zip(word_ids, segments, strict=True)]
            yield encoding["input_ids"][i], type_ids[i] if type_ids is not None else None, word_ids

    def _word_by_word(self, words: list[str], second: int | None) -> Encoded:
        """With a slow tokenizer, which knows no word ids: each word by itself, then the special tokens around."""
        tokenizer = self._tokenizer
        pieces = [tokenizer(word, add_special_tokens=False, verbose=False)["input_ids"] for word in words]
        segments = [pieces] if second is None else [pieces[:second], pieces[second:]]
        flat = [[piece for word in segment for piece in word] for segment in segments]
        owners = iter([number for number, word in enumerate(pieces) for _ in word])
        special = tokenizer.get_special_tokens_mask(*flat)
        type_ids = None
        if "token_type_ids" in tokenizer.model_input_names:
            type_ids = tokenizer.create_token_type_ids_from_sequences(*flat)
        word_ids = [None if is_special else next(owners) for is_special in special]
        return tokenizer.build_inputs_with_special_tokens(*flat), type_ids, word_ids

    def _check(self, sentence: Sentence, spans: Mapping[int, tuple[int, int]]) -> None:
        missing = next((index for index in range(len(sentence.words)) if index not in spans), None)
        if missing is not None and not self._drop:
            raise InputError(
                f"word {missing + 1} of sentence {sentence.id} must give at least one subword, got none for "
                f"{sentence.words[missing]!r}; remove the word from the corpus, or drop it with model.no_subword=drop."
            )

    def _too_long(self, sentence: Sentence, length: int, remedy: str) -> InputError:
        return InputError(
            f"sentence {sentence.id} must have at most {self._limit} subwords, which is all the model takes, got "
            f"{length}; {remedy}."
        )

    def _in_windows(self, sentence: Sentence, start: int, word_ids: list[int | None]) -> Iterator[SubwordSentence]:
        if not self._windows:
            raise self._too_long(sentence, len(word_ids), "split it in the corpus, or set model.too_long=windows")
        sizes = [0] * len(sentence.words)
        for word in word_ids:
            if word is not None:
                sizes[word] += 1
        windows = overlapping_windows(sizes, self._limit - word_ids.count(None), sentence.id)
        owners = [most_central(word, windows) for word in range(len(sizes))]
        encoded = self._encode([list(sentence.words[first:end]) for first, end in windows])
        for which, ((first, _), (ids, type_ids, local_ids)) in enumerate(zip(windows, encoded, strict=True)):
            spans = {first + word: span for word, span in word_spans(local_ids).items()}
            mine = {word: span for word, span in spans.items() if owners[word] == which}
            if len(ids) > self._limit:
                raise self._too_long(sentence, len(ids), "its windows have other subwords; split it in the corpus")
            if mine:
                yield SubwordSentence(
                    ids, type_ids, list(mine.values()), [start + word for word in mine], is_window=True
                )


def _lead(tokenizer: Any) -> str:
    """What must stand before a word so that it gives the subwords that it has in running text: nothing, or a blank.

    Byte-level tokenizers mark the blank before a word; without it "house" would be read as the end of a word.
    """

    def subwords(words: str | list[str]) -> list[int]:
        is_split = isinstance(words, list) and tokenizer.is_fast
        text = words if is_split or isinstance(words, str) else words[0]
        ids = tokenizer(text, is_split_into_words=is_split, add_special_tokens=False, verbose=False)["input_ids"]
        return list(ids)

    running = subwords("the house")
    return next((lead for lead in ("", " ") if subwords(["the"]) + subwords([f"{lead}house"]) == running), "")


def word_spans(word_ids: Sequence[int | None]) -> dict[int, tuple[int, int]]:
    """The positions (first, end) of each word's subwords, by its number."""
    spans: dict[int, tuple[int, int]] = {}
    for at, word in enumerate(word_ids):
        if word is not None:
            spans[word] = (spans.get(word, (at, at))[0], at + 1)
    return spans


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
