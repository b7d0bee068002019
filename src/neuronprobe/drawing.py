"""What word types get, drawn at random: control labels (Hewitt & Liang 2019; EMNLP 2020 section 3.4), splits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def drawn(kinds: Sequence[str], seed: int) -> Float[Tensor, " unit"]:
    """A number in [0, 1) for each unit, a function of (seed, type): in float64.

    A type's number is a hash, so every split has the same map and no split needs to see another's types. Types are
    case-sensitive.
    """
    found = {kind: uniform(seed, kind) for kind in set(kinds)}
    return torch.tensor([found[kind] for kind in kinds], dtype=torch.float64)


def uniform(seed: int, kind: str) -> float:
    """A number in [0, 1) that looks random: 53 bits of a hash."""
    found = hashlib.blake2b(f"{seed}\0{kind}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(found, "big") >> 11) / (1 << 53)
