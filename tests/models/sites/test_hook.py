"""The hook ends a forward pass once all is read."""

from __future__ import annotations

import torch

from neuronprobe.models import FrozenTransformer
from tests.models.conftest import read_all


def test_the_forward_pass_stops_after_the_last_layer_that_is_needed(gpt2: str) -> None:
    model, whole = FrozenTransformer(gpt2, layers=[0, 1]), read_all(FrozenTransformer(gpt2))
    _ = model.layer_sites
    ran: list[int] = []
    for block in range(3):
        model.network.get_submodule(f"h.{block}").register_forward_hook(lambda *_, block=block: ran.append(block))
    read = read_all(model)
    assert set(ran) == {0} and len(read) == 2
    assert all(torch.equal(one, other) for one, other in zip(read, whole, strict=False))
    ran.clear()
    static = FrozenTransformer(gpt2, layers=0)
    assert torch.equal(read_all(static)[0], whole[0]) and len(static.neurons) == 32
