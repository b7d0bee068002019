"""From a model's files to its frozen network, its tokenizer and its controls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from neuronprobe.errors import InputError
from neuronprobe.models.network.folder import is_pickled

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PARTS = ("encoder", "decoder")
QUANTISED = {"none": None, "8bit": "load_in_8bit", "4bit": "load_in_4bit"}
EMBEDDINGS = re.compile(r"(^|[._])(embed|wte|wpe|shared|word_embedding)")
"""Parameters of the embedding layer, by name."""
UNUSED = re.compile(r"(^|\.)pooler\.")
"""Weights that a checkpoint may lack: no hidden state depends on them."""


@dataclass(frozen=True)
class Loader:
    """How the files of `folder` become a network; `name` is what the user called it."""

    name: str
    folder: Path
    part: str = "encoder"
    dtype: str = "float32"
    device: str = "cpu"
    device_map: Any = None
    attn_implementation: str | None = None
    quantise: str = "none"
    adapter: str | None = None
    random_weights: bool = False
    keep_embeddings: bool = False
    seed: int = 0
    trust_remote_code: bool = False
    allow_pickle: bool = False

    @cached_property
    def config(self) -> Any:
        """The model's configuration. Raises InputError where it asks for code that was not allowed."""
        from transformers import AutoConfig

        config = self._load(AutoConfig)
        foreign = [str(code) for code in (getattr(config, "auto_map", None) or {}).values() if "--" in str(code)]
        if foreign:
            raise InputError(
                f"model.name must have its code in its own folder, got {self.name!r}, which takes {foreign[0]} from "
                "another repository; copy that code beside the model."
            )
        if self.part == "decoder" and not config.is_encoder_decoder:
            raise InputError(
                f"model.part must be encoder for a model of one part, got 'decoder' for {self.name!r} "
                f"({config.model_type}); leave it out."
            )
        return config

    @property
    def is_decoder_of_two(self) -> bool:
        """Whether the decoder of an encoder-decoder is read."""
        return self.part == "decoder"

    @property
    def n_layers(self) -> int | None:
        """Blocks of the part, by the configuration."""
        names = ("num_decoder_layers", "decoder_layers") if self.is_decoder_of_two else ("num_hidden_layers",)
        return next((int(n) for name in names if (n := getattr(self.config, name, None)) is not None), None)

    @property
    def n_heads(self) -> int | None:
        """Attention heads of a block of the part, by the configuration."""
        names = ("decoder_attention_heads",) if self.is_decoder_of_two else ()
        names = (*names, "num_attention_heads")
        return next((int(n) for name in names if isinstance(n := getattr(self.config, name, None), int)), None)

    def network(self) -> nn.Module:
        """The network in evaluation mode, without gradients. Raises InputError if it can't be loaded."""
        network = self._pretrained()
        if self.adapter is not None:
            self._adapt(network)
        if self.random_weights:
            network = self._reinitialised(network)
        for config in (network.config, getattr(getattr(network, "decoder", None), "config", None)):
            if config is not None:
                config.use_cache = False  # keys and values of the past are for generation
        if network.config.is_encoder_decoder and not self.is_decoder_of_two:
            network = network.get_encoder()
        network = network.eval().requires_grad_(False)
        is_on_devices = self.device_map is not None or self.quantise != "none"
        return network if is_on_devices else network.to(self.device)  # type: ignore[no-any-return]

    def tokenizer(self) -> Any:
        """The tokenizer, with a leading blank before each word where its class knows how."""
        from transformers import AutoTokenizer

        return self._load(AutoTokenizer, add_prefix_space=True)

    def _pretrained(self) -> Any:
        from transformers import AutoModel

        options: dict[str, Any] = {"dtype": DTYPES[self.dtype], "output_loading_info": True}
        options["use_safetensors"] = not is_pickled(self.folder)
        for name in ("device_map", "attn_implementation"):
            if getattr(self, name) is not None:
                options[name] = getattr(self, name)
        if (how := QUANTISED[self.quantise]) is not None:
            from transformers import BitsAndBytesConfig

            options["quantization_config"] = BitsAndBytesConfig(**{how: True})
        network, report = self._load(AutoModel, config=self.config, **options)
        self._check_complete(network, report["missing_keys"])
        return network

    def _check_complete(self, network: Any, missing: Any) -> None:
        """Weights that the files lack would be random numbers."""
        is_encoder = network.config.is_encoder_decoder and not self.is_decoder_of_two
        lacking = sorted(
            name for name in missing
            if not UNUSED.search(name) and not (is_encoder and name.startswith("decoder."))
        )  # fmt: skip
        if lacking:
            raise InputError(
                f"model.name must have the weights of all layers, got {self.name!r}, which lacks {len(lacking)}: "
                f"{', '.join(lacking[:3])}{' …' if len(lacking) > 3 else ''}."
            )

    def _adapt(self, network: Any) -> None:
        """Put a PEFT adapter on the network."""
        folder = Path(str(self.adapter)).expanduser()
        if not (folder / "adapter_config.json").is_file():
            raise InputError(f"model.adapter must be a folder with adapter_config.json, got {str(folder)!r}.")
        if not (folder / "adapter_model.safetensors").is_file() and not self.allow_pickle:
            raise InputError(
                f"model.adapter must have its weights as safetensors, got {str(folder)!r}, which has none; "
                "save it anew, or allow pickle, which can run code, with model.allow_pickle=true."
            )
        try:
            network.load_adapter(str(folder))
        except ImportError as error:
            raise InputError("model.adapter needs peft; pip install 'neuronprobe[peft]'.") from error
        except Exception as error:
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"model.adapter must fit the model, got {str(folder)!r}: {reason}") from error

    def _reinitialised(self, pretrained: Any) -> Any:
        """The same architecture with weights drawn by `seed`; that they differ is checked matrix by matrix."""
        from transformers import AutoModel

        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            fresh = AutoModel.from_config(
                self.config, dtype=DTYPES[self.dtype], trust_remote_code=self.trust_remote_code
            )
        before = dict(pretrained.named_parameters())
        for name, parameter in fresh.named_parameters():
            if self.keep_embeddings and EMBEDDINGS.search(name):
                parameter.data.copy_(before[name].data)
            elif parameter.dim() > 1 and torch.equal(parameter.cpu(), before[name].cpu()):
                raise InputError(f"model.random_weights must draw every matrix anew, got {name} as it was trained.")
        return fresh

    def _load(self, factory: Any, **options: Any) -> Any:
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            return factory.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=self.trust_remote_code, **options
            )
        except ImportError as error:
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"{self.name!r} needs a package that is not installed: {reason}") from error
        except Exception as error:  # whatever a broken folder makes of many libraries
            reason = " ".join(str(error).split())[:160]
            if "trust_remote_code" in str(error):
                raise InputError(
                    f"model.name must not bring code of its own, got {self.name!r}, which does; read that code, then "
                    "allow it with model.trust_remote_code=true."
                ) from error
            raise InputError(
                f"model.name must be a model that transformers can load, got {self.name!r}: {reason}"
            ) from error
