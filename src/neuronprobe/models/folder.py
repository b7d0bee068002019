"""Where a model's files lie: a folder, or a snapshot of the hub; and what decides its activations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from neuronprobe.errors import InputError

WEIGHTS = "*.safetensors"
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)
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


def digest(folder: Path) -> str:
    """sha256 over what decides the activations: configuration, weights and tokenizer files, by name and content."""
    total = hashlib.sha256()
    for path in _deciding_files(folder):
        with path.open("rb") as file:
            total.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _deciding_files(folder: Path) -> Iterator[Path]:
    found = {path for pattern in ("config.json", WEIGHTS, "*.py", *TOKENIZER) for path in folder.glob(pattern)}
    yield from sorted(found)


def _hub_snapshot(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["config.json", WEIGHTS, "*.safetensors.index.json", "*.py", *TOKENIZER]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted, ignore_patterns=["*/*"]))
    except Exception as error:
        raise InputError(
            f"model.name must be a folder or a name on the Hugging Face hub, got {name!r} "
            f"({type(error).__name__}); without a network give the folder of a saved model."
        ) from error
