"""A source of activations that another program wrote, instead of a model.

A sentence is found by its words, so that one file can serve every split, and several files can serve one corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.models.formats.neurox import Hdf5File, JsonFile
from neuronprobe.models.formats.npy import NpyFolder, existing, files
from neuronprobe.models.source import Chunk, digest
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.types import Sentence

Vectors = Float[Tensor, "word neuron"]


class Format(Protocol):
    """A folder or file: its segments, and the key of each sentence, by the sentence's words."""

    segments: tuple[Segment, ...]
    keys: dict[tuple[str, ...], Any]

    def vectors(self, key: Any) -> Vectors:
        """All segments of a sentence side by side."""


BY_ENDING: dict[str, Callable[[Path], Format]] = {
    ".hdf5": Hdf5File, ".h5": Hdf5File, ".json": JsonFile, ".jsonl": JsonFile,
}  # fmt: skip


class PrecomputedActivations:
    """What `path` holds, instead of a model: a folder, an hdf5 or json file, or a list of these.

    A folder has `words.txt` (a sentence a line, blanks between words; or one JSON list of words a line, where words
    have blanks) and `SITE-LAYER.npy` or `layer_LAYER.npy`, `[word, neuron]` each, words in the order of the lines.
    """

    level = "word"

    def __init__(self, path: str | Sequence[str], title: str | None = None) -> None:
        paths = [Path(str(one)).expanduser() for one in ([path] if isinstance(path, str) else path or [])]
        if not paths:
            raise InputError(f"model.path must be a folder or a file of activations, got {path!r}.")
        self.title = title or paths[0].name
        self._paths = paths

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """sha256 of every file."""
        return {"precomputed": digest(part for path in self._paths for part in files(path))}

    @cached_property
    def neurons(self) -> NeuronTable:
        """The segments of the first file. Raises InputError where another one has others."""
        tables = [one.segments for one in self._opened]
        for path, table in zip(self._paths, tables, strict=True):
            if table != tables[0]:
                raise InputError(f"{path} must have the layers of {self._paths[0]}, got others.")
        return NeuronTable(tables[0])

    def tokenise(self, sentences: Sequence[Sentence]) -> None:
        """Nothing to prepare."""

    def chunk(self, sentences: Sequence[Sentence], prepared: None, budget: int) -> Chunk:
        """The sentences' vectors. Raises InputError for a sentence that no file has."""
        widths = [segment.width for segment in self.neurons.segments]
        read = [self._vectors(sentence) for sentence in sentences]
        return Chunk([part.contiguous() for part in torch.cat(read).split(widths, dim=1)], [], 0)

    def _vectors(self, sentence: Sentence) -> Vectors:
        one = next((one for one in self._opened if sentence.words in one.keys), None)
        if one is None:
            raise InputError(
                f"sentence {sentence.id} must be in the activations, got none for {' '.join(sentence.words)[:60]!r}; "
                "their words must be those of the corpus, in the same sentences."
            )
        try:
            found = one.vectors(one.keys[sentence.words])
        except (KeyError, IndexError, ValueError) as error:
            raise InputError(
                f"sentence {sentence.id} must have vectors of one width in the activations, got {error}."
            ) from error
        if len(found) != len(sentence.words):
            raise InputError(
                f"sentence {sentence.id} must have {len(sentence.words)} vectors in the activations, got {len(found)}."
            )
        return found

    @cached_property
    def _opened(self) -> list[Format]:
        return [_open(path) for path in self._paths]


def _open(path: Path) -> Format:
    """Raises InputError where a path is not there, or not what it seems."""
    if existing(path).is_dir():
        return NpyFolder(path)
    if path.suffix not in BY_ENDING:
        raise InputError(f"model.path must be a folder, or a .hdf5, .h5, .json or .jsonl file, got {str(path)!r}.")
    try:
        return BY_ENDING[path.suffix](path)
    except InputError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, StopIteration) as error:
        raise InputError(
            f"{path} must be a file of activations as NeuroX writes it, got {type(error).__name__}: {error}."
        ) from error
