"""Chunks and entities: spans of words, validated in the scheme they come in and written in another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from neuronprobe.errors import InputError, choice
from neuronprobe.properties.word import OfWords, column
from neuronprobe.types import Sentence

OUTSIDE = "O"
READ = ("iob", "iob1", "iob2", "iobes")
WRITTEN = ("io", "iob2", "iobes")
BILOU = {"L": "E", "U": "S"}
"""Letters of BILOU for those of IOBES."""


class Span(NamedTuple):
    """Words start … end − 1 and what they are together."""

    start: int
    end: int
    kind: str


class SpanProperty(OfWords):
    """A column of spans. `read` is how the corpus writes them, `scheme` how the labels do.

    iob1 begins a span with B only behind another of its kind, iob2 always; iob is either; iobes (BILOU too) marks ends
    and spans of one word; io marks no borders. A property with a `scheme` is scored by span F1 beside accuracy.
    """

    def __init__(self, name: str, read: str = "iob2", scheme: str = "iob2", **selection: Any) -> None:
        super().__init__(name, **selection)
        self._read, self.scheme = choice("property.read", read, READ), choice("property.scheme", scheme, WRITTEN)

    def labels(self, sentence: Sentence) -> Sequence[str | None]:
        """The labels in the scheme. Raises InputError, naming sentence and word, where a span is malformed."""
        found = column(sentence, self.name)
        labels: list[str | None] = [None if label is None else OUTSIDE for label in found]
        try:
            for span in spans(found, self._read):
                labels[span.start : span.end] = written(span, self.scheme)
        except ValueError as error:
            raise InputError(
                f"{self.name} of sentence {sentence.id!r} must be {self._read}, got {error}; correct it, or set "
                f"property.read to one of {', '.join(READ)}; property=column property.name={self.name} takes labels as "
                "they stand."
            ) from error
        return labels


def spans(labels: Sequence[str | None], scheme: str) -> Iterator[Span]:
    """The spans of a sentence. Raises ValueError, naming the word, where they break the rules of the scheme."""
    start, kind, last = 0, "", OUTSIDE
    for i, label in enumerate([*labels, OUTSIDE]):
        sign, now = _parts(label or OUTSIDE, scheme, i)
        goes_on = bool(kind) and now == kind and sign in ("I", "E") and last not in ("E", "S")
        if kind and not goes_on:
            if scheme == "iobes" and last not in ("E", "S"):
                raise ValueError(f"{kind} without end before word {i + 1}")
            yield Span(start, i, kind)
        if now and not goes_on:
            is_again = now == kind
            if (scheme == "iob2" and sign != "B") or (scheme == "iobes" and sign not in ("B", "S")):
                raise ValueError(f"{label!r} at word {i + 1}, where none began")
            if scheme == "iob1" and sign == "B" and not is_again:
                raise ValueError(f"{label!r} at word {i + 1}, behind no other {now}")
            start = i
        kind, last = now, sign


def written(span: Span, scheme: str) -> list[str]:
    """The labels of a span's words."""
    length = span.end - span.start
    signs = ["I"] * length
    if scheme != "io":
        signs[0] = "B"
    if scheme == "iobes":
        signs[-1] = "S" if length == 1 else "E"
    return [f"{sign}-{span.kind}" for sign in signs]


def _parts(label: str, scheme: str, i: int) -> tuple[str, str]:
    """Sign and kind of a label, ("O", "") outside."""
    sign, dash, kind = label.partition("-")
    if label == OUTSIDE:
        return OUTSIDE, ""
    sign = BILOU.get(sign, sign) if scheme == "iobes" else sign
    if not (dash and kind) or sign not in (("B", "I", "E", "S") if scheme == "iobes" else ("B", "I")):
        raise ValueError(f"{label!r} at word {i + 1}")
    return sign, kind
