"""What is said of an extraction before it begins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from neuronprobe.activations.preview import TIMES, _seconds_per_subword
from neuronprobe.corpora import starter


class Slow:
    """A source of one subword a sentence, that takes so long each time."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)

    def tokenise(self, sentences: Sequence[Any]) -> list[list[int]]:
        return [[1] for _ in sentences]

    def chunk(self, sentences: Sequence[Any], pieces: Any, budget: int) -> None:
        time.sleep(self.seconds.pop(0))


def test_the_estimate_is_of_the_time_in_which_nothing_else_ran() -> None:
    source = Slow(0.5, 0.064, 0.5)
    found = _seconds_per_subword(source, starter(), "train", 4096)  # type: ignore[arg-type]
    assert not source.seconds and TIMES == 3
    assert found == pytest.approx(0.064 / 32, rel=0.5)
