"""The words of a command as Hydra takes them: in any order, with several properties, from an agent of W&B."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import compress, pairwise
from operator import not_

from neuronprobe.errors import InputError

HYDRA = ("config-path", "config-name", "config-dir", "info", "cfg", "package")
"""Hydra's own options with a value."""
VALUED = ("-cp", "-cn", "-cd", "-c", "-p", "-i", "--experimental-rerun", *(f"--{name}" for name in HYDRA))
"""The same as words of their own, before their value."""
PROPERTIES = "property=["


def for_hydra(words: Sequence[str]) -> list[str]:
    """The words of a command. Raises InputError where several properties are given otherwise than in one list."""
    given = [_override(word) for word in words] if os.environ.get("WANDB_SWEEP_ID") else list(words)
    lists = [word for word in given if word.startswith(PROPERTIES)]
    return _arranged(_with_properties(given, lists[-1]) if lists else given)


def _override(word: str) -> str:
    """Without the hyphens that an agent puts before parameters: `--probe.lr=0.01` is `probe.lr=0.01`."""
    is_parameter = word.startswith("--") and "=" in word and word[2:].partition("=")[0] not in HYDRA
    return word[2:] if is_parameter else word


def _arranged(words: Sequence[str]) -> list[str]:
    """Overrides first, options behind them: Hydra's parser does not take overrides on both sides of an option."""
    own = [_is_override(word) and before not in VALUED for before, word in pairwise(["", *words])]
    return [*compress(words, own), *compress(words, map(not_, own))]


def _is_override(word: str) -> bool:
    return not word.startswith("-") and ("=" in word or word.startswith("~"))


def _with_properties(words: Sequence[str], given: str) -> list[str]:
    """`property=[upos,xpos]` as a choice of the group for each, in a package of its own: `properties.upos`, …"""
    names = [name.strip() for name in given.removeprefix(PROPERTIES).removesuffix("]").split(",")]
    if not given.endswith("]") or not all(re.fullmatch(r"[\w/-]+", name) for name in names):
        raise InputError(
            f"property must be a name or one list of names, property=[upos,xpos], got {given!r}; a sweep has jobs of "
            "one property each: -m property=upos,xpos."
        )
    if len(set(names)) < len(names):
        raise InputError(f"property must be a list of different properties, got {given!r}; leave one out.")
    if len(names) == 1:
        return [f"property={names[0]}" if word == given else word for word in words]
    if own := next((word for word in words if word.lstrip("+~").startswith("property.")), None):
        key = own.lstrip("+~").removeprefix("property.")
        raise InputError(
            f"settings of several properties must say of which one, got {own!r}; write properties.{names[0]}.{key}."
        )
    chosen = [f"+property@properties.{name}={name}" for name in names]
    return [one for word in words for one in (chosen if word == given else [word])]
