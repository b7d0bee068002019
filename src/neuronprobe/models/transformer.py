"""The frozen transformer hook (EMNLP 2020 section 3): activations of words or sentences in the layers of each site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neuronprobe.errors import InputError, choice, whole_number
from neuronprobe.models.network.aggregation import AGGREGATIONS, OF_SENTENCES, aggregate
from neuronprobe.models.network.batches import read_in_batches
from neuronprobe.models.network.folder import deciding_files, find_folder, package_folder
from neuronprobe.models.network.forward import Forward
from neuronprobe.models.network.loader import DTYPES, PARTS, QUANTISED, Loader
from neuronprobe.models.network.subwords import POLICIES, SubwordSentence, SubwordSplitter
from neuronprobe.models.sites.hook import LayerSite, Values, read, visiting
from neuronprobe.models.sites.inspection import Inspection
from neuronprobe.models.sites.interventions import Intervention, visits
from neuronprobe.models.sites.site import ATTENTION, RESIDUAL, parse_sites
from neuronprobe.models.source import Chunk, digest
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.types import Sentence


class FrozenTransformer:
    """A pre-trained Hugging Face transformer, loaded and checked when it is first needed and never trained.

    Layer 0 of the residual stream is the embedding layer's output, layers 1..L are the blocks'; the last one is behind
    the model's last norm, where it has one.
    """

    def __init__(
        self,
        name: str,
        revision: str | None = None,
        adapter: str | None = None,
        part: str = "encoder",
        sites: Any = RESIDUAL,
        layers: Sequence[int] | None = None,
        aggregation: str | None = None,
        special_tokens: bool = False,
        dtype: str = "float32",
        device: str = "auto",
        device_map: Any = None,
        attn_implementation: str | None = None,
        compile: bool = False,
        quantise: str = "none",
        random_weights: bool = False,
        keep_embeddings: bool = False,
        seed: int = 0,
        trust_remote_code: bool = False,
        allow_pickle: bool = False,
        too_long: str = "refuse",
        no_subword: str = "refuse",
    ) -> None:
        """`name` is a folder or a hub name, `adapter` a folder of a PEFT adapter; `part` encoder or decoder.

        `sites`: residual, mlp, attention, dotted paths, patterns, or a list of them; `layers`: all, or those given.
        `aggregation`: which subwords' activations stand for a word (last, first, average, max; None: last) or for a
        sentence (sentence_cls, sentence_mean, sentence_last; with `special_tokens` these count them).
        `random_weights` draws all weights anew by `seed`, those of the embedding layer unless `keep_embeddings`.
        `too_long` is what is done with sentences beyond the model's length (refuse, windows), `no_subword` with words
        that give no subword (refuse, drop).
        """
        if not isinstance(name, str) or not name:
            raise InputError(f"model.name must be a model folder or a hub name, got {name!r}.")
        self.name, self.title = name, name
        self._sites, self._layers = parse_sites(sites), _layers(layers)
        self.aggregation = choice("model.aggregation", "last" if aggregation is None else aggregation, AGGREGATIONS)
        self._special_tokens, self._compile = special_tokens, compile
        self._policies = {
            "too_long": choice("model.too_long", too_long, POLICIES["too_long"]),
            "no_subword": choice("model.no_subword", no_subword, POLICIES["no_subword"]),
        }
        if compile and any(site.name != RESIDUAL for site in self._sites):
            raise InputError("model.compile must be false for sites inside blocks, got true; read residual alone.")
        if random_weights and (adapter is not None or quantise != "none" or device_map is not None):
            raise InputError(
                "model.random_weights must be false with model.adapter, model.quantise or model.device_map, got true."
            )
        if keep_embeddings and not random_weights:
            raise InputError("model.keep_embeddings must be false without model.random_weights=true, got true.")
        self._loader = Loader(
            name, find_folder(name, revision, allow_pickle), choice("model.part", part, PARTS),
            choice("model.dtype", dtype, DTYPES), _device(device), device_map, attn_implementation,
            choice("model.quantise", quantise, QUANTISED), adapter, random_weights, keep_embeddings,
            whole_number("model.seed", seed), trust_remote_code, allow_pickle,
        )  # fmt: skip

    @property
    def folder(self) -> Path:
        """Where the model's files are."""
        return self._loader.folder

    @property
    def level(self) -> str:
        """What a row is: word or sentence."""
        return "sentence" if self.aggregation in OF_SENTENCES else "word"

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """What decides the activations, without loading the network: files, sites, subwords, controls."""
        loader = self._loader
        about = {
            "model": digest(deciding_files(self.folder)),
            "adapter": None if loader.adapter is None else digest(deciding_files(Path(loader.adapter).expanduser())),
            "sites": [[site.name, site.pattern, site.tap] for site in self._sites],
            "layers": None if self._layers is None else list(self._layers),
            "aggregation": self.aggregation,
            "special_tokens": self._special_tokens,
            "trust_remote_code": loader.trust_remote_code,
            "random_weights": [loader.seed, loader.keep_embeddings] if loader.random_weights else None,
        }
        names = ("part", "dtype", "attn_implementation", "quantise")
        return about | {name: getattr(loader, name) for name in names} | self._policies

    @cached_property
    def network(self) -> nn.Module:
        """The network, frozen. Raises InputError if it can't be loaded."""
        return self._loader.network()

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, with a leading blank before each word (byte-level BPE would lose it)."""
        return self._loader.tokenizer()

    @cached_property
    def forward(self) -> Forward:
        """Forward passes of the network."""
        return Forward(self.network, self.tokenizer, self.name, self._loader.is_decoder_of_two)

    @cached_property
    def layer_sites(self) -> tuple[LayerSite, ...]:
        """Each segment of the neuron table in the network; found and checked on one short batch.

        Raises InputError where a site is not there, or a check fails (`sites.inspection`).
        """
        inspection = Inspection(self.forward, self._loader, self.title)
        layer_sites = inspection.find(self._sites, self._layers)
        if self._compile:
            _compile(self.network, inspection.blocks)
        return layer_sites

    @cached_property
    def neurons(self) -> NeuronTable:
        """One segment for each site and layer that is read."""
        heads = self._loader.n_heads
        return NeuronTable(tuple(
            Segment(one.site, one.layer, one.width, heads=heads if one.site == ATTENTION else None)
            for one in self.layer_sites
        ))  # fmt: skip

    @cached_property
    def limit(self) -> int:
        """The most subwords of a sentence, special tokens included; 10^30 where there is no limit."""
        positions = getattr(self._loader.config, "max_position_embeddings", None) or 0
        limit = int(self.tokenizer.model_max_length)
        if positions <= 0:
            return limit
        for name, module in self.network.named_modules():
            if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
                positions -= int(module.padding_idx) + 1  # RoBERTa and its kin begin to count there
        return int(min(limit, positions))

    def tokenise(self, sentences: Sequence[Sentence]) -> list[SubwordSentence]:
        """Subwords of each sentence. Raises InputError where a word has none or a sentence is too long."""
        splitter = SubwordSplitter(
            self.tokenizer, self.limit, **self._policies, aggregation=self.aggregation,
            special_tokens=self._special_tokens,
        )  # fmt: skip
        return splitter(sentences)

    def chunk(self, sentences: Sequence[Sentence], prepared: Sequence[SubwordSentence], budget: int) -> Chunk:
        """The activations of all words (or sentences); `prepared` are their subwords, `budget` subwords per batch."""
        n_rows = len(sentences) if self.level == "sentence" else sum(len(sentence.words) for sentence in sentences)
        widths = [segment.width for segment in self.neurons.segments]
        return read_in_batches(prepared, n_rows, widths, budget, self.read)

    @torch.no_grad()
    def read(self, batch: Sequence[SubwordSentence]) -> list[Float[Tensor, "row _"]]:
        """Activations of all rows of the batch in order, one tensor per segment, on the model's device.

        The forward pass stops after the last layer that is needed.
        """
        spans = [(i, *span) for i, piece in enumerate(batch) for span in piece.spans]
        index = torch.tensor(spans).T

        def pick(values: Values) -> Tensor:
            rows, starts, ends = index.to(values.device)
            return aggregate(values, rows, starts, ends, self.aggregation)

        inputs = self.forward.inputs(batch)
        if self.layer_sites and self.layer_sites[0].module:
            return read(self.network, self.layer_sites, lambda: self.forward.run(inputs), pick)
        states = self.forward.states_of(self.forward.run(inputs, output_hidden_states=True))
        return [pick(states[one.layer]) for one in self.layer_sites]

    @contextmanager
    def intervene(self, *interventions: Intervention) -> Iterator[nn.Module]:
        """The network with chosen neurons set or shifted in every forward pass, until the end of the `with`.

        Raises InputError where a neuron is not in the neuron table, or the model's blocks could not be found.
        """
        if not self.layer_sites[0].module:
            raise InputError(f"interventions need the model's blocks, got {self.name!r}, in which they were not found.")
        with visiting(self.network, visits(interventions, self.neurons, self.layer_sites)):
            yield self.network


def from_package(name: str, folder: str, **options: Any) -> FrozenTransformer:
    """The model whose folder ships inside an installed package. Raises InputError if the package is not installed."""
    model = FrozenTransformer(str(package_folder(name, folder)), **options)
    model.title = name
    return model


def _layers(given: Any) -> tuple[int, ...] | None:
    if given is None:
        return None
    layers = given if isinstance(given, list | tuple) else [given]
    if not layers:
        raise InputError("model.layers must be null (all) or a list of at least one layer, got [].")
    return tuple(sorted({whole_number("each of model.layers", layer) for layer in layers}))


def _device(name: str) -> str:
    has_gpu = torch.cuda.is_available()
    if choice("model.device", name, ("auto", "cpu", "cuda")) == "cuda" and not has_gpu:
        raise InputError("model.device must be cpu or auto on this machine, got 'cuda', and torch finds no GPU.")
    return "cuda" if name == "auto" and has_gpu else name.replace("auto", "cpu")


def _compile(network: nn.Module, blocks: Sequence[str]) -> None:
    """Compile what runs inside the blocks: the hooks stay outside."""
    for name in blocks:
        block = network.get_submodule(name)
        block.forward = torch.compile(block.forward, dynamic=True)
