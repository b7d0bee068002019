"""The files that a job's configuration names: what its corpus, its property and its model are read from."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from neuronprobe.models.source import digest

MISSING = "???"
"""What OmegaConf has where a setting is to be given."""
GROUPS = ("corpus", "property", "properties", "model")
"""What reads files that a user may change."""


def files_read(config: DictConfig) -> dict[str, dict[str, Any]]:
    """Size, time of the last change and digest of each file that a configuration names, or that lies in a folder that
    it names.
    """
    return {str(path): {**_about(path), "sha256": _digest(path, **_about(path))} for path in _files(config)}


def changed(config: DictConfig, known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The files that are not what `files_read` said, are gone, or are new. Only where the time differs, one is read."""
    now = {str(path): path for path in _files(config)}
    return sorted(path for path in {*now, *known} if not _is_same(now.get(path), known.get(path, {})))


def _is_same(path: Path | None, known: Mapping[str, Any]) -> bool:
    if path is None or not known or path.stat().st_size != known["size"]:
        return False
    about = _about(path)
    return bool(about["modified"] == known["modified"] or _digest(path, **about) == known["sha256"])


def _files(config: DictConfig) -> list[Path]:
    """Absolute: those named, those in folders, and what patterns of a corpus stand for; a path may lead into a zip."""
    found = []
    for group in GROUPS:
        for text in _texts(_plain(config.get(group))):
            found += _found(text) or (_fitting(text) if group == "corpus" else [])
    return sorted({path.absolute() for path in found})


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _found(text: str) -> list[Path]:
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            return [one for one in path.iterdir() if one.is_file()]
        return [one for one in (path, *path.parents) if one.is_file()][:1]
    except (OSError, RuntimeError):  # too long for a path, or ~ of nobody
        return []


def _fitting(pattern: str) -> list[Path]:
    """Files that a pattern stands for."""
    if not glob.has_magic(pattern):
        return []
    found = glob.glob(str(Path(pattern).expanduser()), recursive=True)  # noqa: PTH207
    return [path for path in map(Path, found) if path.is_file()]


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield from [node] if node not in ("", MISSING) else []
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _texts(child)


def _about(path: Path) -> dict[str, int]:
    found = path.stat()
    return {"size": found.st_size, "modified": found.st_mtime_ns}


@cache
def _digest(path: Path, size: int, modified: int) -> str:
    """Once for all jobs of a sweep, while the file stays as it is."""
    return digest([path])
