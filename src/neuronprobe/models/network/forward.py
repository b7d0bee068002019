"""Forward passes: subwords to a padded batch on the network's device, and its hidden states."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from neuronprobe.errors import InputError
from neuronprobe.models.network.subwords import SubwordSentence

Inputs = dict[str, Int[Tensor, "sentence position"]]
SHORT, LONG = 5, 7
"""Subwords of the two sentences on which a model is checked."""


class Forward:
    """A network and its tokenizer; `name` is what the user calls them."""

    def __init__(self, network: nn.Module, tokenizer: Any, name: str, is_decoder: bool = False) -> None:
        """With `is_decoder` the decoder of a network of two parts is read."""
        self.network, self.tokenizer, self._name, self._is_decoder = network, tokenizer, name, is_decoder

    def inputs(self, batch: Sequence[SubwordSentence]) -> Inputs:
        """What the network takes, padded on the right, on its device."""
        width = max(len(piece) for piece in batch)
        pad = self.tokenizer.pad_token_id or 0
        pad = pad if pad < self._n_subwords else 0
        if (largest := max(max(piece.ids) for piece in batch)) >= self._n_subwords:
            raise InputError(
                f"the tokenizer of {self._name!r} must give subwords that the model has ({self._n_subwords:,}), "
                f"got number {largest:,} ({self.tokenizer.convert_ids_to_tokens(largest)!r})."
            )
        inputs = {
            "input_ids": _padded([piece.ids for piece in batch], width, pad),
            "attention_mask": _padded([[1] * len(piece) for piece in batch], width, 0),
        }
        if batch[0].type_ids is not None and self._takes_type_ids:
            inputs["token_type_ids"] = _padded([piece.type_ids or [] for piece in batch], width, 0)
        return {name: self._moved(tensor) for name, tensor in inputs.items()}

    @cached_property
    def _n_subwords(self) -> int:
        """Rows of the embedding matrix."""
        embeddings = getattr(self.network.get_input_embeddings(), "weight", None)  # type: ignore[operator]
        return 10**18 if embeddings is None else len(embeddings)

    @cached_property
    def _takes_type_ids(self) -> bool:
        import inspect

        return "token_type_ids" in inspect.signature(self.network.forward).parameters

    def _moved(self, tensor: Tensor) -> Tensor:
        device = next(self.network.parameters()).device
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

    def run(self, inputs: Inputs, **options: Any) -> Any:
        """A forward pass; the decoder of two parts reads the sentence that the encoder reads."""
        if self._is_decoder:
            ids, mask = inputs["input_ids"], inputs["attention_mask"]
            options |= {"decoder_input_ids": ids, "decoder_attention_mask": mask}
        return self.network(**inputs, **options)

    def states_of(self, output: Any) -> tuple[Tensor, ...]:
        """The hidden states of the part that is read, layer 0 first."""
        return tuple(output.decoder_hidden_states if self._is_decoder else output.hidden_states)

    def last_state_of(self, output: Any) -> Tensor:
        """What the part that is read returns."""
        return output.last_hidden_state  # type: ignore[no-any-return]

    def check_batch(self) -> Inputs:
        """Two sentences of ordinary subwords, one shorter and padded."""
        special = set(self.tokenizer.all_special_ids)
        n_ids = min(len(self.tokenizer), self._n_subwords)
        step = max(1, n_ids // (LONG + 1))
        ordinary = [one for one in (*range(step, n_ids, step), *range(n_ids)) if one not in special]
        ids = (ordinary * LONG)[:LONG]
        pieces = [SubwordSentence(row, None, [], []) for row in (ids[::-1], ids[:SHORT])]
        return self.inputs(pieces)


def _padded(lists: Sequence[list[int]], width: int, fill: int) -> Tensor:
    return torch.tensor([row + [fill] * (width - len(row)) for row in lists])
