"""The neuron table and the sets of neurons."""

from __future__ import annotations

import pytest
import torch

from neuronprobe import neurons
from neuronprobe.errors import InputError
from neuronprobe.neurons import Neuron, NeuronTable, Segment

TABLE = NeuronTable((Segment("residual", 0, 5), Segment("residual", 1, 3), Segment("mlp", 1, 7)))


def test_flat_index_and_neuron_are_inverse() -> None:
    assert [TABLE.flat(TABLE.neuron(flat)) for flat in range(len(TABLE))] == list(range(15))
    assert TABLE.neuron(7) == Neuron("residual", 1, 2, None)
    assert TABLE.neuron(8) == Neuron("mlp", 1, 0, None)
    heads = NeuronTable((Segment("residual", 0, 4), Segment("attention", 1, 6, heads=3)))
    assert [heads.neuron(flat).attention_head for flat in range(10)] == [None] * 4 + [0, 0, 1, 1, 2, 2]
    assert NeuronTable.from_list(heads.as_list()) == heads
    assert heads.with_roles(("a", "b")).neuron(15).attention_head == 0 and heads.flat(heads.neuron(7)) == 7


def test_what_the_table_lacks_is_an_error() -> None:
    with pytest.raises(IndexError, match="between 0 and 14, got 15"):
        TABLE.neuron(15)
    with pytest.raises(KeyError):
        TABLE.flat(Neuron("residual", 1, 3, None))


def test_units_of_two_rows_have_two_roles() -> None:
    pair = TABLE.with_roles(("head", "modifier"))
    assert len(pair) == 30
    assert pair.neuron(15) == Neuron("residual", 0, 0, "modifier")
    assert NeuronTable.from_list(pair.as_list()) == pair


def test_layer_matched_random_has_the_same_histogram() -> None:
    chosen = torch.tensor([0, 1, 2, 5, 8, 9])
    drawn = neurons.layer_matched(TABLE, chosen, seed=3)
    assert TABLE.counts(drawn).tolist() == TABLE.counts(chosen).tolist() == [3, 1, 2]
    assert len(drawn.unique()) == 6


def test_random_sets_are_drawn_without_replacement_from_all_neurons() -> None:
    seen = torch.cat([neurons.random(15, 5, seed) for seed in range(60)])
    assert len(neurons.random(15, 5, 0).unique()) == 5
    assert set(seen.tolist()) == set(range(15))
    assert torch.equal(neurons.random(15, 5, 1), neurons.random(15, 5, 1))


def test_ends_of_a_ranking() -> None:
    order = torch.tensor([3, 1, 0, 2])
    assert neurons.top(order, 2).tolist() == [3, 1]
    assert neurons.bottom(order, 1).tolist() == [2]


@pytest.mark.parametrize(("value", "k"), [(0.1, 2), (1.0, 15), (3, 3), (15, 15), (0.0001, 1)])
def test_a_size_is_a_count_or_a_share(value: float, k: int) -> None:
    assert neurons.size("sizes", value, 15) == k


@pytest.mark.parametrize("value", [0, 16, 1.5, -0.1, True, float("nan")])
def test_a_size_beyond_the_neurons_is_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"count from 1 to 15"):
        neurons.size("sizes", value, 15)
