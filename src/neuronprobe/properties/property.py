"""What a property is to the rest of the house."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from neuronprobe.types import Sentence, Unit


class Property(Protocol):
    """What is predicted, and of what: words, pairs of words, sentences."""

    name: str
    roles: tuple[str | None, ...]
    """One entry for each row of a unit: the role of its neurons."""
    level: str
    """What a row of the store is: word or sentence."""

    def units(self, sentences: Iterable[Sentence]) -> Iterator[Unit]:
        """The units of a split, in order. Raises InputError where the corpus has not what it reads."""
        ...
