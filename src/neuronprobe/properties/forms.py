"""Properties of the form of a word and of where it stands, which need no annotation: what else a neuron may carry."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from neuronprobe.errors import InputError, whole_number
from neuronprobe.properties.word import OfCounts, OfWords
from neuronprobe.types import Sentence


class CaseProperty(OfWords):
    """How a word is written: lower, Title, UPPER, mixed, or without letters that have case."""

    def __init__(self, name: str = "case", **selection: Any) -> None:
        super().__init__(name, **selection)

    def labels(self, sentence: Sentence) -> Sequence[str]:
        """The case of each word."""
        return [case(word) for word in sentence.words]


def case(word: str) -> str:
    """lower, title (one capital, first), upper, mixed, or none."""
    letters = [letter for letter in word if letter.lower() != letter.upper()]
    capitals = sum(letter != letter.lower() for letter in letters)
    if not letters or not capitals:
        return "lower" if letters else "none"
    if capitals == 1 and letters[0] != letters[0].lower():
        return "title"
    return "upper" if capitals == len(letters) else "mixed"


class FrequencyBand(OfCounts):
    """How often train has the word, in powers of ten: 0, 1+, 10+, 100+, …"""

    def __init__(self, name: str = "frequency_band", **selection: Any) -> None:
        super().__init__(name, **selection)

    def labels(self, sentence: Sentence) -> Sequence[str]:
        """The band of each word."""
        counts = (self.counts[word] for word in sentence.words)
        return [f"{10 ** (len(str(n)) - 1)}+" if n else "0" for n in counts]


class SuffixProperty(OfWords):
    """The suffix of a word (JMLR 2023 section 3), of a set that is learnt from train.

    A word type is a stem and a suffix where the stem, of at least `least_stem` letters, is a word of train as well; a
    suffix of at most `longest` letters is in the set where it has at least `min_stems` stems. The longest counts. Forms
    are compared in lower case. A word without suffix has the label `none`, or is no unit where that is null.
    """

    def __init__(
        self, name: str = "suffix", min_stems: int = 20, longest: int = 5, least_stem: int = 3,
        none: str | None = "-", **selection: Any,
    ) -> None:  # fmt: skip
        super().__init__(name, **selection)
        self._min_stems = whole_number("property.min_stems", min_stems, 1)
        self._longest = whole_number("property.longest", longest, 1)
        self._least_stem = whole_number("property.least_stem", least_stem, 1)
        self._none = none
        self._stems: set[str] = set()
        self.suffixes: frozenset[str] = frozenset()

    def learn(self, sentences: Iterable[Sentence]) -> None:
        """Learn stems and suffixes from train. Raises InputError where no suffix has so many stems."""
        self._stems = {word.lower() for sentence in sentences for word in sentence.words if word.isalpha()}
        stems_of: dict[str, int] = defaultdict(int)
        for word in self._stems:
            for end in self._ends(word):
                stems_of[word[end:]] += 1
        self.suffixes = frozenset(suffix for suffix, n in stems_of.items() if n >= self._min_stems)
        if not self.suffixes:
            raise InputError(
                f"property suffix must find suffixes with at least {self._min_stems} stems in train, got none; lower "
                "property.min_stems or take a larger corpus."
            )

    def labels(self, sentence: Sentence) -> Sequence[str | None]:
        """The suffix of each word."""
        return [self._suffix(word.lower()) for word in sentence.words]

    def _suffix(self, word: str) -> str | None:
        return next((word[end:] for end in self._ends(word) if word[end:] in self.suffixes), self._none)

    def _ends(self, word: str) -> Iterable[int]:
        """Where stems of the word end that are words of train, the longest suffix first."""
        shortest = max(self._least_stem, len(word) - self._longest)
        return (end for end in range(shortest, len(word)) if word[:end] in self._stems)


class ConceptProperty(OfWords):
    """Words that belong to a concept against the rest: of a list, by a regular expression, or by a function.

    The labels are `name` and `not_<name>`.
    """

    def __init__(
        self, name: str = "concept", words: Sequence[str] | str | None = None, pattern: str | None = None,
        function: Callable[[str], bool] | None = None, ignore_case: bool = False, **selection: Any,
    ) -> None:  # fmt: skip
        """`words` is a list or a file with one a line; `pattern` is searched for in the word. Raises InputError unless
        exactly one is given.
        """
        super().__init__(name, **selection)
        given = [one for one in (words, pattern, function) if one is not None]
        if len(given) != 1:
            raise InputError(
                f"property must have one of property.words, property.pattern and property.function, got {len(given)}."
            )
        self._ignores_case = ignore_case
        self._holds = function or (_pattern(pattern, ignore_case) if pattern is not None else self._in_list(words))

    def labels(self, sentence: Sentence) -> Sequence[str]:
        """Whether each word belongs to the concept."""
        return [self.name if self._holds(word) else f"not_{self.name}" for word in sentence.words]

    def _in_list(self, given: Any) -> Callable[[str], bool]:
        known = set(map(self._form, _listed(given)))
        return lambda word: self._form(word) in known

    def _form(self, word: str) -> str:
        return word.lower() if self._ignores_case else word


def _listed(given: Any) -> list[str]:
    if isinstance(given, str):
        try:
            given = Path(given).expanduser().read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeError) as error:
            raise InputError(
                f"property.words must be a list or a text file of words, got {given!r} ({error})."
            ) from error
    words = [str(word).strip() for word in given]
    if not any(words):
        raise InputError("property.words must hold at least one word, got none.")
    return [word for word in words if word]


def _pattern(pattern: str, ignore_case: bool) -> Callable[[str], bool]:
    try:
        compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except (re.error, TypeError) as error:
        raise InputError(f"property.pattern must be a regular expression, got {pattern!r} ({error}).") from error
    return lambda word: compiled.search(word) is not None
