"""What float16 takes from a neuron, and how a store keeps that small.

float16 rounds relative to the value, but a probe lives on the deviation: of a neuron whose mean is 1,000 deviations up
to half a deviation is rounded away. Such a neuron is shifted: stored as (activation − offset) / scale.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neuronprobe.neurons import NeuronTable

LIMIT = 0.05
"""The largest root-mean-square rounding of a neuron, as a fraction of its deviation (benchmarks: "Rounding").

Of a neuron that is stored as it is, its bound: 2⁻¹¹ of the root mean square (evenly spread, it is .3 to .6 of that).
"""
EARLY = 0.04
"""The same while most words are still to come: what is near the limit is shifted, not read twice."""
NEGLIGIBLE = 1e-6
"""A deviation below this fraction of the neuron's own size, or of its layer's median deviation, is a constant's."""
FIGURES = ("mean_over_deviation", "rounding_over_deviation", "rounding_if_not_shifted")
"""The largest among the shifted neurons of a layer, in the index."""
RELATIVE, ABSOLUTE = 2.0**-11, 2.0**-25
"""float16 rounds by at most this fraction of a value, or by this where values are tiny."""
BLOCK = 1024
"""Words that are looked at together."""


class Shift(NamedTuple):
    """How neurons are stored: as (activation − offset) / scale. What is stored as it is has offset 0 and scale 1."""

    offset: Float[Tensor, " neuron"]
    scale: Float[Tensor, " neuron"]

    @classmethod
    def none(cls, n_neurons: int) -> Shift:
        """All neurons as they are."""
        return cls(torch.zeros(n_neurons), torch.ones(n_neurons))

    @property
    def is_shifted(self) -> Bool[Tensor, " neuron"]:
        """Which neurons are not stored as they are."""
        return (self.offset != 0) | (self.scale != 1)

    @property
    def columns(self) -> Int[Tensor, " shifted"]:
        """Their indices."""
        return self.is_shifted.nonzero().flatten()

    def of(self, neurons: slice | Int[Tensor, " chosen"]) -> Shift:
        """The shift of some neurons."""
        return Shift(self.offset[neurons], self.scale[neurons])

    def to(self, device: torch.device) -> Shift:
        """The same on a device."""
        return Shift(self.offset.to(device), self.scale.to(device))

    def stored(self, values: Float[Tensor, "word neuron"]) -> Float[Tensor, "word neuron"]:
        """What the file holds."""
        return (values if not len(self.columns) else (values - self.offset) / self.scale).half()

    def read(self, stored: Float[Tensor, "*word neuron"]) -> Float[Tensor, "*word neuron"]:
        """Activations again, as float32."""
        return stored.float() * self.scale + self.offset


class Moments(NamedTuple):
    """Of the neurons of a layer: mean and deviation; what rounding takes, as a fraction of the deviation.

    `unshifted` bounds what it takes of what is stored as it is. Both are 0 for constants.
    """

    mean: Float[Tensor, " neuron"]
    deviation: Float[Tensor, " neuron"]
    rounding: Float[Tensor, " neuron"]
    unshifted: Float[Tensor, " neuron"]

    @classmethod
    def of(
        cls, sums: Float[Tensor, "3 neuron"], n_words: int, pilot: Float[Tensor, " neuron"], shift: Shift
    ) -> Moments:
        """From `sums_over_words`."""
        mean, square, lost = sums / max(1, n_words)
        variance = (square - mean.square()).clamp_min(0)
        mean = mean + pilot
        size = variance + mean.square()
        is_constant = variance <= NEGLIGIBLE**2 * torch.maximum(size, variance.median())
        bound = RELATIVE**2 * size + ABSOLUTE**2
        bound, lost = (torch.where(is_constant, 0.0, (e / variance).sqrt()) for e in (bound, lost))
        return cls(mean, variance.sqrt(), torch.where(shift.is_shifted, lost, bound), bound)

    def shift(self) -> Shift:
        """Neurons of which float16 would take too much become z-scores; their scale is a power of two, so exact."""
        is_shifted = self.unshifted > EARLY
        scale = torch.exp2(self.deviation.clamp_min(2.0**-126).log2().round())
        return Shift(torch.where(is_shifted, self.mean, 0.0).float(), torch.where(is_shifted, scale, 1.0).float())


class Rounding:
    """What a store in the making loses, neuron by neuron, and which neurons are shifted because of it.

    The first words decide; all words judge. A layer that they find wanting is written anew, shifted by what they tell.
    """

    def __init__(self, neurons: NeuronTable, dtype: torch.dtype) -> None:
        """Nothing is lost in float32, and nothing shifted."""
        self._neurons, self._is_exact = neurons, dtype == torch.float32
        self._sums = torch.zeros(3, len(neurons), dtype=torch.float64)
        self._pilot = torch.zeros(len(neurons))
        self.shift = Shift.none(len(neurons))
        self.anew: tuple[int, ...] = ()

    @property
    def written(self) -> tuple[int, ...]:
        """The segments that are being appended to: all, or those that are written anew."""
        return self.anew or tuple(range(len(self._neurons.segments)))

    def stored(self, which: int, values: Float[Tensor, "word _"], is_first: bool) -> Float[Tensor, "word _"]:
        """What the file of a segment gets of the next words; the first ones decide what is shifted."""
        values, here = values.float(), self._neurons_of(which)
        if self._is_exact:
            return values
        if is_first and not self.anew and len(values):
            self._pilot[here] = values.mean(0)
            sums = sums_over_words(values, self._pilot[here], self.shift.of(here))
            self._set(here, Moments.of(sums, len(values), self._pilot[here], self.shift.of(here)).shift())
        shift = self.shift.of(here)
        self._sums[:, here] += sums_over_words(values, self._pilot[here], shift)
        return shift.stored(values)

    def failed(self, n_words: int) -> tuple[int, ...]:
        """The segments with a neuron of which all words together say that rounding takes too much."""
        if self._is_exact:
            return ()
        segments = range(len(self._neurons.segments))
        return tuple(which for which in segments if (self.moments(which, n_words).rounding > LIMIT).any())

    def begin_anew(self, failed: tuple[int, ...], n_words: int) -> None:
        """Shift these segments by the moments of all words, and expect the words again."""
        for which in failed:
            here, moments = self._neurons_of(which), self.moments(which, n_words)
            self._set(here, moments.shift())
            self._pilot[here], self._sums[:, here] = moments.mean.float(), 0
        self.anew = failed

    def moments(self, which: int, n_words: int) -> Moments:
        """Of a segment, after so many words."""
        here = self._neurons_of(which)
        return Moments.of(self._sums[:, here], n_words, self._pilot[here], self.shift.of(here))

    def shifted(self, n_words: int) -> dict[str, Any]:
        """For the index: what is shifted in which layer, and why; empty if nothing is."""
        found = {}
        for which, segment in enumerate(self._neurons.segments):
            columns = self.shift.of(self._neurons_of(which)).columns
            if len(columns):
                moments = self.moments(which, n_words)
                ratios = (moments.mean.abs() / moments.deviation.clamp_min(1e-99), moments.rounding, moments.unshifted)
                figures = {name: float(ratio[columns].max()) for name, ratio in zip(FIGURES, ratios, strict=True)}
                shifted = {"neurons": columns.tolist(), **figures, "written_anew": which in self.anew}
                found[f"{segment.site}-{segment.layer:02d}"] = shifted
        return found

    def loss(self, failed: tuple[int, ...], n_words: int) -> tuple[str, str]:
        """In words: which layers, and how much of a deviation."""
        most = max(float(self.moments(which, n_words).rounding.max()) for which in failed)
        names = (f"{s.site} {s.layer}" for s in (self._neurons.segments[which] for which in failed))
        return ", ".join(names), f"up to {_share(most)} of a deviation (limit {LIMIT:.0%})"

    def account(self, shifted: Mapping[str, Any]) -> str:
        """In words: what is shifted, and why."""
        n_neurons = sum(len(layer["neurons"]) for layer in shifted.values())
        ratio, rounding, before = (max(layer[of] for layer in shifted.values()) for of in FIGURES)
        return (
            f"{n_neurons} neurons of {', '.join(shifted)} are stored as (activation - offset) / scale: their mean is "
            f"up to {ratio:,.0f} deviations, and float16 would take up to {_share(before)} of a deviation "
            f"(limit {LIMIT:.0%}); shifted, it takes {rounding:.2%}"
        )

    def state(self) -> dict[str, Any]:
        """For the marks of progress."""
        if self._is_exact:
            return {}
        moments = {"sums": _text(self._sums), "pilot": _text(self._pilot)}
        return {**moments, "shift": _text(torch.stack(self.shift)), "anew": list(self.anew)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state`. Raises KeyError or ValueError where it is none of these neurons'."""
        if not self._is_exact:
            n, self.anew = len(self._neurons), tuple(state["anew"])
            self._sums = _tensor(state["sums"], np.float64, 3, n)
            self._pilot = _tensor(state["pilot"], np.float32, n)
            self.shift = Shift(*_tensor(state["shift"], np.float32, 2, n))

    def _neurons_of(self, which: int) -> slice:
        return slice(*self._neurons.starts[which : which + 2])

    def _set(self, here: slice, shift: Shift) -> None:
        self.shift.offset[here], self.shift.scale[here] = shift


def sums_over_words(
    values: Float[Tensor, "word neuron"], pilot: Float[Tensor, " neuron"], shift: Shift
) -> Float[Tensor, "3 neuron"]:
    """Of (activation − pilot), its square, and the square of what storing takes of a shifted neuron.

    A pilot near the mean keeps the digits of the deviation.
    """
    total, columns = torch.zeros(3, values.shape[1], dtype=torch.float64), shift.columns
    for block in values.split(BLOCK):
        centred = block - pilot
        total[:2] += torch.stack([centred.sum(0), centred.square().sum(0)])
        if len(columns):
            exact, own = block[:, columns], shift.of(columns)
            total[2, columns] += (exact - own.read(own.stored(exact))).double().square().sum(0)
    return total


def _share(part: float) -> str:
    return f"{part:.0%}" if part < 1 else "all"


def _text(values: Tensor) -> str:
    return base64.b64encode(values.numpy().tobytes()).decode()


def _tensor(text: str, dtype: type[np.floating[Any]], *shape: int) -> Tensor:
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), dtype).reshape(shape).copy())
