"""Resamples of the training sentences, as weights of units: many resamples are members of one bank.

Units of a sentence are not independent, so whole sentences are drawn: with replacement (bootstrap), or half of them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.probes import Member, Probe
from neuronprobe.types import Units


def resamples(units: Units, n: int, seed: int) -> Float[Tensor, "resample unit"]:
    """Weights of `n` resamples: how often a unit's sentence was drawn, scaled to mean 1 over the units of each.

    One that has one label alone, where there are more, is drawn anew: no ranking by labels could work with it.
    """
    present, sentence = units.sentences.unique(return_inverse=True)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(present), (n, len(present)), generator=generator)
    times = torch.zeros(n, len(present)).scatter_add_(1, drawn, torch.ones(drawn.shape))
    labels = units.labels.cpu()
    while not labels.is_floating_point() and len(labels.unique()) > 1:
        poor = [i for i, own in enumerate(times) if len(labels[own[sentence] > 0].unique()) < 2]
        if not poor:
            break
        drawn = torch.randint(len(present), (len(poor), len(present)), generator=generator)
        times[poor] = torch.zeros(drawn.shape).scatter_add_(1, drawn, torch.ones(drawn.shape))
    return _of_units(times[:, sentence])


def half_samples(units: Units, pairs: int, seed: int) -> Float[Tensor, "half unit"]:
    """Weights of `pairs` of halves that share no sentence, one half after the other; mean 1 over the units of each.

    Of an odd number of sentences each pair leaves one out (Shah and Samworth 2013, section 2). Raises InputError where
    there is one sentence alone.
    """
    present, sentence = units.sentences.unique(return_inverse=True)
    if (half := len(present) // 2) == 0:
        raise InputError("train must have at least 2 sentences for half-samples, got 1; give more data.")
    generator = torch.Generator().manual_seed(seed)
    order = torch.stack([torch.randperm(len(present), generator=generator) for _ in range(pairs)])
    drawn = order[:, : 2 * half].reshape(2 * pairs, half)
    return _of_units(torch.zeros(2 * pairs, len(present)).scatter_(1, drawn, 1.0)[:, sentence])


def resampled(probe: Probe, weights: Float[Tensor, "resample unit"]) -> list[Member]:
    """A member per resample, with the λ of `probe` and an initialisation of its own.

    A start that all resamples share would remain in the weights of neurons that say nothing, and pass for stability;
    solver `exact` begins at `probe` where its optimum knows no start, with λ2 > 0.
    """
    near = probe if probe.l2 > 0 else None
    return [Member(probe.l1, probe.l2, probe.seed + 1 + i, weights=own, near=near) for i, own in enumerate(weights)]


def _of_units(times: Float[Tensor, "resample unit"]) -> Float[Tensor, "resample unit"]:
    return times / times.mean(1, keepdim=True)
