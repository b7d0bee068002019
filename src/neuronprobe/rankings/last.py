"""What was made last of a split: it is not made again for the same arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from neuronprobe.activations import Split

Made = TypeVar("Made")


class Last(Generic[Made]):
    """The last thing made of each split, kept as long as the split lives."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Split, tuple[tuple[Any, ...], Made]] = WeakKeyDictionary()

    def get(self, split: Split, arguments: tuple[Any, ...], make: Callable[[], Made]) -> Made:
        """What was made with the same arguments (the same objects, or equal plain values), or what is made now."""
        known = self._made.get(split)
        if known is None or not _same(known[0], arguments):
            known = self._made[split] = (arguments, make())
        return known[1]


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(map(_is_same, one, other))


def _is_same(one: Any, other: Any) -> bool:
    is_plain = isinstance(one, int | float | str | bool) and type(one) is type(other)
    return one is other or (is_plain and one == other)
