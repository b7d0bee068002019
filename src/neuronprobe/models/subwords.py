"""Subword to word: which subword stands for each word, verified for every batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neuronprobe.errors import InputError
from neuronprobe.types import Sentence


@dataclass(frozen=True)
class SubwordSentence:
    """One sentence as the model sees it: subword ids with the special tokens, and each word's last subword."""

    ids: list[int]
    type_ids: list[int] | None
    last: list[int]

    def __len__(self) -> int:
        return len(self.ids)


def split_into_subwords(tokenizer: Any, sentences: Sequence[Sentence], limit: int) -> list[SubwordSentence]:
    """Tokenise whole words and align them by word ids.

    `limit` is the most subwords that the model takes. Raises InputError, naming sentence and word, where a
    word gives no subword or a sentence is beyond the limit.
    """
    words = [list(sentence.words) for sentence in sentences]
    encoding = tokenizer(words, is_split_into_words=True, truncation=False, padding=False, verbose=False)
    type_ids = encoding.get("token_type_ids")
    return [
        SubwordSentence(
            ids=_within_limit(encoding["input_ids"][i], sentence, limit),
            type_ids=type_ids[i] if type_ids is not None else None,
            last=_last_subwords(encoding.word_ids(i), sentence),
        )
        for i, sentence in enumerate(sentences)
    ]


def _last_subwords(word_ids: list[int | None], sentence: Sentence) -> list[int]:
    last = {word: position for position, word in enumerate(word_ids) if word is not None}
    for index, word in enumerate(sentence.words):
        if index not in last:
            raise InputError(
                f"word {index + 1} of sentence {sentence.id} must give at least one subword, got none for {word!r}; "
                "remove or replace the word in the corpus."
            )
    return [last[index] for index in range(len(sentence.words))]


def _within_limit(ids: list[int], sentence: Sentence, limit: int) -> list[int]:
    if len(ids) > limit:
        raise InputError(
            f"sentence {sentence.id} must have at most {limit} subwords, which is all the model takes, "
            f"got {len(ids)}; split the sentence in the corpus."
        )
    return ids
