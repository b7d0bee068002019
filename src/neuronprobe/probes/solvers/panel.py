"""Activations of a sample, which every product with a model reads twice: in bfloat16 where the machine is fast with it.

A model is a guess at the loss from a part of the units, so that rounding its activations to 8 bits (a relative .004)
adds little to what it is wrong by; where the solution lies is decided by gradients of all units, which are not rounded.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

WIDE = 200
"""Products with fewer columns are fast as they are."""
COLUMNS, UNITS = 128, 512
"""Rounded panels are filled up to multiples of these: each new shape of a product costs tens of milliseconds."""


class Panel:
    """`[column, unit]`, and products with it from both sides; these are float32."""

    def __init__(self, activations: Float[Tensor, "column unit"], is_rounded: bool | None = None) -> None:
        """`is_rounded` is decided by the machine where it is None."""
        self._n_columns, self._n_units = activations.shape
        if is_rounded is None:
            is_rounded = self._n_columns >= WIDE and is_fast_rounded(activations.device)
        self._rounded = _filled(activations, COLUMNS, UNITS) if is_rounded else None
        self._activations = None if is_rounded else activations

    @property
    def size(self) -> int:
        """How many numbers of 4 bytes it holds."""
        if self._rounded is not None:
            return self._rounded.numel() // 2
        assert self._activations is not None
        return self._activations.numel()

    def outputs(self, weights: Float[Tensor, "label column"]) -> Float[Tensor, "label unit"]:
        """weights · activations."""
        if self._rounded is not None:
            return (_filled(weights, 1, COLUMNS) @ self._rounded)[:, : self._n_units].float()
        assert self._activations is not None
        return weights @ self._activations

    def gathered(self, slopes: Float[Tensor, "label unit"]) -> Float[Tensor, "label column"]:
        """slopes · activationsᵀ."""
        if self._rounded is not None:
            return (_filled(slopes, 1, UNITS) @ self._rounded.T)[:, : self._n_columns].float()
        assert self._activations is not None
        return slopes @ self._activations.T


def is_fast_rounded(device: torch.device) -> bool:
    """Whether a device multiplies matrices of bfloat16 much faster than those of float32 (measured).

    CPUs with AMX do, and those of AMD with avx512_bf16; with that alone others take twice as long.
    """
    if device.type != "cpu":
        return False
    known = torch.cpu.get_capabilities()
    is_amd = str(known.get("cpu_name", "")).startswith("AMD")
    return bool(known.get("amx_bf16") or (is_amd and known.get("avx512_bf16")))


def _filled(values: Float[Tensor, "row column"], rows: int, columns: int) -> Tensor:
    """Rounded, with zeros up to multiples of `rows` and `columns`."""
    n, k = values.shape
    filled = values.new_zeros(n + -n % rows, k + -k % columns, dtype=torch.bfloat16)
    filled[:n, :k] = values
    return filled
