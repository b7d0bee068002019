"""Activations that another program wrote, instead of a model's.

A sentence is found by its words, so that one file can serve every split, and several files can serve one corpus.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from neuronprobe.errors import InputError
from neuronprobe.models.formats.npy import Foreign, Vectors, files, open_foreign
from neuronprobe.models.network.batches import Chunk
from neuronprobe.neurons import NeuronTable
from neuronprobe.types import Sentence


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
        total = hashlib.sha256()
        for part in [part for path in self._paths for part in files(path)]:
            with part.open("rb") as file:
                total.update(f"{part.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return {"precomputed": total.hexdigest()}

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
        for one in self._opened:
            if sentence.words in one.places:
                try:
                    found = one.vectors(one.places[sentence.words])
                except (KeyError, IndexError, ValueError) as error:
                    raise InputError(
                        f"sentence {sentence.id} must have vectors of one width in the activations, got {error}."
                    ) from error
                if len(found) != len(sentence.words):
                    raise InputError(
                        f"sentence {sentence.id} must have {len(sentence.words)} vectors in the activations, "
                        f"got {len(found)}."
                    )
                return found
        raise InputError(
            f"sentence {sentence.id} must be in the activations, got none for {' '.join(sentence.words)[:60]!r}; "
            "their words must be those of the corpus, in the same sentences."
        )

    @cached_property
    def _opened(self) -> list[Foreign]:
        return [open_foreign(path) for path in self._paths]
