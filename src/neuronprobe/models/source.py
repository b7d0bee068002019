"""A source of activations, and what it gives of some sentences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from jaxtyping import Float
from torch import Tensor

from neuronprobe.neurons import NeuronTable
from neuronprobe.types import Sentence


class Chunk(NamedTuple):
    """What was read of some sentences: a tensor per segment on the CPU, the rows of dropped words (zeros), windows."""

    layers: list[Float[Tensor, "row _"]]
    dropped: list[int]
    windows: int


class Source(Protocol):
    """Where activations come from: a model, or files that another program wrote."""

    title: str

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What decides the activations, as plain data."""

    @property
    def neurons(self) -> NeuronTable:
        """Its segments."""

    @property
    def level(self) -> str:
        """What a row is: word or sentence."""

    def tokenise(self, sentences: Sequence[Sentence]) -> Any:
        """What can be prepared ahead of `chunk`."""

    def chunk(self, sentences: Sequence[Sentence], prepared: Any, budget: int) -> Chunk:
        """The activations of all rows of the sentences; `budget` is subwords per batch, padding included."""


def digest(files: Iterable[Path]) -> str:
    """sha256 over files, by name and content."""
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            total.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
