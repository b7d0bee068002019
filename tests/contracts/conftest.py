"""Fixtures of the contracts: a tiny model of every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.families import save_family

Folders = Callable[[str], Path]


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folder of a family's tiny model."""
    root = tmp_path_factory.mktemp("families")

    def folder(name: str) -> Path:
        if not (root / name).exists():
            (root / name).mkdir()
            save_family(root / name, name)
        return root / name

    return folder
