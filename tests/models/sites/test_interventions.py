"""Interventions: neurons set to values and means, or shifted, until the end of the `with`."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer, shift, to_mean, to_value, to_zero
from tests.families import sentences


def test_interventions_set_neurons_to_values_and_means(gpt2: str) -> None:
    model = FrozenTransformer(gpt2)
    pieces = model.tokenise(sentences(2))
    chosen = torch.tensor([33, 40, 70])
    means = torch.arange(len(model.neurons)).float()
    for intervention, expected in (
        (to_zero(chosen), [0.0, 0.0, 0.0]),
        (to_value(chosen, -2.5), [-2.5, -2.5, -2.5]),
        (to_value(chosen, torch.tensor([1.0, 2.0, 3.0])), [1.0, 2.0, 3.0]),
        (to_mean(chosen, means), [33.0, 40.0, 70.0]),
    ):
        with model.intervene(intervention):
            read = torch.cat(model.read(pieces), dim=1)
        assert torch.equal(read[:, chosen], torch.tensor(expected).expand(len(read), 3))
    with model.intervene(to_value(chosen, 1.0), shift(chosen[:1], 2.0)):
        read = torch.cat(model.read(pieces), dim=1)
    assert torch.equal(read[0, chosen], torch.tensor([3.0, 1.0, 1.0]))
    with pytest.raises(InputError, match="must be between 0 and 127"), model.intervene(to_zero(torch.tensor([128]))):
        pass


@pytest.mark.parametrize("values", [torch.zeros(2), torch.zeros(3, 1)])
def test_values_of_an_intervention_are_one_or_as_many_as_neurons(values: Tensor) -> None:
    chosen = torch.tensor([1, 2, 3])
    assert to_value(chosen, torch.tensor(2.0)).values.tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(InputError, match="must be one, or one for each of 3 neurons"):
        to_value(chosen, values)


def n_hooks(model: FrozenTransformer) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.network.modules())


def test_an_intervention_ends_where_the_block_raises(gpt2: str) -> None:
    model = FrozenTransformer(gpt2)
    hooks = n_hooks(model) if model.layer_sites else 0
    with pytest.raises(KeyError), model.intervene(to_zero(torch.tensor([0]))):
        raise KeyError
    assert n_hooks(model) == hooks


def test_edits_at_one_tensor_by_two_sites_are_both_made(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites=["residual", {"name": "final", "pattern": "ln_f"}])
    pieces = model.tokenise(sentences(2))
    before = model.read(pieces)
    start = model.neurons.starts
    with model.intervene(shift(torch.tensor([start[3] + 2, start[4] + 5]), 1.0)):
        during = model.read(pieces)
    moved = (during[4] - before[4]).abs().amax(0) > 0.5
    assert moved.nonzero().flatten().tolist() == [2, 5]
