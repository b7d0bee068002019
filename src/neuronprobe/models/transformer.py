"""The frozen transformer hook (EMNLP 2020 section 3): the last subword's activations at every layer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from neuronprobe.errors import InputError, choice
from neuronprobe.models.folder import digest, find_folder
from neuronprobe.models.subwords import POLICIES, SubwordSentence, SubwordSplitter
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.types import Sentence

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SITE = "residual"


class FrozenTransformer:
    """A pre-trained Hugging Face encoder, loaded when it is first needed and never trained.

    Reads the residual stream: layer 0 is the embedding layer's output, layers 1..L the blocks'.
    """

    def __init__(
        self,
        name: str,
        revision: str | None = None,
        dtype: str = "float32",
        device: str = "auto",
        trust_remote_code: bool = False,
        too_long: str = "refuse",
        no_subword: str = "refuse",
    ) -> None:
        """`name` is a folder or a hub name; `dtype` that of the forward pass; `device` auto, cpu or cuda.

        `too_long` is what is done with sentences beyond the model's length (refuse, windows), `no_subword` with words
        that give no subword (refuse, drop).
        """
        if not isinstance(name, str) or not name:
            raise InputError(f"model.name must be a model folder or a hub name, got {name!r}.")
        self.name, self.title = name, name
        self.dtype = choice("model.dtype", dtype, DTYPES)
        if choice("model.device", device, ("auto", "cpu", "cuda")) == "cuda" and not torch.cuda.is_available():
            raise InputError("model.device must be cpu or auto on this machine, got 'cuda', and torch finds no GPU.")
        self.folder = find_folder(name, revision)
        self._trust_remote_code = trust_remote_code
        self._policies = {
            "too_long": choice("model.too_long", too_long, POLICIES["too_long"]),
            "no_subword": choice("model.no_subword", no_subword, POLICIES["no_subword"]),
        }
        self._device = "cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu")

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """What decides the activations, without loading the network: files, forward dtype, site, pooling."""
        about = {"dtype": self.dtype, "site": SITE, "aggregation": "last", **self._policies}
        return {"model": digest(self.folder), **about}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The model's config.json."""
        return dict(json.loads((self.folder / "config.json").read_text(encoding="utf-8")))

    @cached_property
    def network(self) -> nn.Module:
        """The network in evaluation mode, without gradients. Raises InputError if it can't be loaded."""
        from transformers import AutoModel

        network = self._load(AutoModel, use_safetensors=True, dtype=DTYPES[self.dtype])
        network = network.get_encoder() if network.config.is_encoder_decoder else network
        return network.eval().requires_grad_(False).to(self._device)  # type: ignore[no-any-return]

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, with a leading blank before each word (byte-level BPE would lose it)."""
        from tokenizers.pre_tokenizers import ByteLevel
        from transformers import AutoTokenizer

        tokenizer = self._load(AutoTokenizer, add_prefix_space=True)
        if not tokenizer.is_fast:
            raise InputError(
                f"model.name must have a fast tokenizer (tokenizer.json), got {self.name!r}, which has none."
            )
        split = tokenizer.backend_tokenizer.pre_tokenizer
        if isinstance(split, ByteLevel):  # tokenizers without a class of their own ignore the argument above
            split.add_prefix_space = True
        return tokenizer

    @cached_property
    def neurons(self) -> NeuronTable:
        """One segment per layer, the embedding layer first; measured on one short forward pass."""
        states = self._hidden_states([SubwordSentence(ids=self._probe_ids(), type_ids=None, last=[0], rows=[0])])
        return NeuronTable(tuple(Segment(SITE, layer, state.shape[-1]) for layer, state in enumerate(states)))

    @cached_property
    def limit(self) -> int:
        """The most subwords of a sentence, special tokens included."""
        positions = self.config.get("max_position_embeddings") or self.tokenizer.model_max_length
        for name, module in self.network.named_modules():
            if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
                positions -= int(module.padding_idx) + 1  # RoBERTa and its kin begin to count there
        return int(min(self.tokenizer.model_max_length, positions))

    def tokenise(self, sentences: Sequence[Sentence]) -> list[SubwordSentence]:
        """Subwords of each sentence. Raises InputError where a word has none or a sentence is too long."""
        return SubwordSplitter(self.tokenizer, self.limit, **self._policies)(sentences)

    def read(self, batch: Sequence[SubwordSentence]) -> list[Float[Tensor, "word _"]]:
        """Activations of all words of the batch in order, one tensor per layer, on the model's device."""
        states = self._hidden_states(batch)
        last = [(i, position) for i, sentence in enumerate(batch) for position in sentence.last]
        rows, positions = torch.tensor(last, device=self._device).T
        return [state[rows, positions] for state in states]

    def inputs(self, batch: Sequence[SubwordSentence]) -> dict[str, Int[Tensor, "sentence position"]]:
        """What the network takes, padded on the right, on its device."""
        width = max(len(sentence) for sentence in batch)
        pad = self.tokenizer.pad_token_id or 0
        inputs = {
            "input_ids": _padded([sentence.ids for sentence in batch], width, pad),
            "attention_mask": _padded([[1] * len(sentence) for sentence in batch], width, 0),
        }
        if batch[0].type_ids is not None:
            inputs["token_type_ids"] = _padded([sentence.type_ids or [] for sentence in batch], width, 0)
        return {name: tensor.to(self._device) for name, tensor in inputs.items()}

    def _hidden_states(self, batch: Sequence[SubwordSentence]) -> tuple[Tensor, ...]:
        with torch.no_grad():
            output = self.network(**self.inputs(batch), output_hidden_states=True)
        return tuple(output.hidden_states)

    def _probe_ids(self) -> list[int]:
        return list(self.tokenizer("a", verbose=False)["input_ids"])

    def _load(self, factory: Any, **options: Any) -> Any:
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            return factory.from_pretrained(
                Path(self.folder), local_files_only=True, trust_remote_code=self._trust_remote_code, **options
            )
        except Exception as error:  # whatever a broken folder makes of many libraries
            reason = " ".join(str(error).split())[:160]
            raise InputError(
                f"model.name must be an encoder that transformers can load, got {self.name!r}: {reason}"
            ) from error


def _padded(lists: Sequence[list[int]], width: int, fill: int) -> Tensor:
    return torch.tensor([row + [fill] * (width - len(row)) for row in lists])
