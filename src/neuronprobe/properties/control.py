"""Control tasks (Hewitt & Liang 2019; EMNLP 2020 section 3.4): a label for each word type, drawn at random."""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Int
from torch import Tensor

from neuronprobe.types import Units


def control_labels(units: Units, train: Units, n_labels: int, seed: int) -> Int[Tensor, " unit"]:
    """The control label of each unit of any split: a function of (seed, type) and of how often train has each label.

    A type's hash is its draw from the label distribution over the units of train, so every split has the same map
    and no split needs to see another's types. Types are case-sensitive.
    """
    counts = torch.bincount(train.labels, minlength=n_labels)
    reached = counts.cumsum(0).double() / len(train)
    drawn = {kind: _uniform(seed, kind) for kind in set(units.types)}
    places = torch.tensor([drawn[kind] for kind in units.types], dtype=torch.float64)
    return torch.searchsorted(reached, places, right=True)


def _uniform(seed: int, kind: str) -> float:
    """A number in [0, 1) that looks random: 53 bits of a hash."""
    found = hashlib.blake2b(f"{seed}\0{kind}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(found, "big") >> 11) / (1 << 53)
