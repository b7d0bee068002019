"""The command of a Weights & Biases agent: it gives parameters as `--probe.lr=0.01`, Hydra takes `probe.lr=0.01`."""

from __future__ import annotations

import os
from collections.abc import Sequence

HYDRA = ("config-path", "config-name", "config-dir", "info", "cfg", "package")
"""Hydra's own options with a value."""


def overrides(words: Sequence[str]) -> list[str]:
    """The words of a command without the hyphens before parameters, where an agent gave it; else as they are."""
    return [_override(word) for word in words] if os.environ.get("WANDB_SWEEP_ID") else list(words)


def _override(word: str) -> str:
    is_parameter = word.startswith("--") and "=" in word and word[2:].partition("=")[0] not in HYDRA
    return word[2:] if is_parameter else word
