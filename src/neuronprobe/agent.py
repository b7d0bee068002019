"""The words of a command as Hydra's parser takes them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import compress, pairwise
from operator import not_

HYDRA = ("config-path", "config-name", "config-dir", "info", "cfg", "package")
"""Hydra's own options with a value."""
VALUED = ("-cp", "-cn", "-cd", "-c", "-p", "-i", "--experimental-rerun", *(f"--{name}" for name in HYDRA))
"""The same as words of their own, before their value."""


def arranged(words: Sequence[str]) -> list[str]:
    """Overrides first, options behind them: Hydra's parser does not take overrides on both sides of an option."""
    own = [_is_override(word) and before not in VALUED for before, word in pairwise(["", *words])]
    return [*compress(words, own), *compress(words, map(not_, own))]


def _is_override(word: str) -> bool:
    return not word.startswith("-") and ("=" in word or word.startswith("~"))


def overrides(words: Sequence[str]) -> list[str]:
    """The words without the hyphens before parameters, where an agent of Weights & Biases gave them (it writes
    `--probe.lr=0.01`); else as they are.
    """
    return [_override(word) for word in words] if os.environ.get("WANDB_SWEEP_ID") else list(words)


def _override(word: str) -> str:
    is_parameter = word.startswith("--") and "=" in word and word[2:].partition("=")[0] not in HYDRA
    return word[2:] if is_parameter else word
