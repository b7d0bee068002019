"""Every YAML of every group is one constructor call that works: what is added to a folder is tested here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from neuronprobe.activations import Split
from neuronprobe.build import build, construct
from neuronprobe.callbacks import StudyCallback
from neuronprobe.corpora import SPLITS
from neuronprobe.probes import Fit, Member
from neuronprobe.rankings import Evidence
from neuronprobe.types import Ranking, Sentence
from tests.contracts.conftest import Folders
from tests.contracts.corpus_files import corpus_files
from tests.families import FAMILIES

PLANTED_FIT = Fit(1e-3, 1e-4, epochs=4, batch_size=64, lr=0.01)
CONF = Path(__file__).parents[2] / "conf"
FILES = sorted(CONF.glob("*/*.yaml"))


def configuration(tmp_path: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        config = compose("config", [*overrides, f"hydra.runtime.output_dir={tmp_path}"], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    return config


Files = dict[str, dict[str, str]]
PAIRS = [("conll2000", "chunk"), ("conll2000", "xpos"), ("conllu", "deprel"), ("pmb", "sem"), ("pmb", "ccg")]
DEFAULTS = {
    "starter": "upos", "ud": "upos", "conll2000": "chunk", "conll2003": "ner", "wnut17": "ner", "pmb": "sem",
    "ptb": "xpos", "columns": "label", "neurox": "label", "sentences": "label", "glue": "label",
    "polarity": "polarity", "trec": "question",
}  # fmt: skip


@pytest.fixture(scope="session")
def files(
    small_treebank: dict[str, str], small_columns: Files, small_questions: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Files:  # fmt: skip
    """Small files for each corpus that lies in files, by the name of its YAML: what names them, in its settings."""
    more = corpus_files(tmp_path_factory.mktemp("corpora"), small_treebank)
    return {"conllu": small_treebank, **small_columns, "trec": small_questions, **more}


def needs(group: str, name: str, files: Files, family: Folders) -> list[str]:
    """Overrides for what a YAML leaves to the user."""
    corpus = name if group == "corpus" else ""
    if group == "experiment":  # it may choose its corpus
        chosen = re.search(r"override /corpus: (\w+)", (CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))
        corpus = chosen[1] if chosen else ""
    own = {("property", "concept"): ["property.pattern=ing$"], ("property", "feature"): ["property.name=Number"]}
    return [f"corpus.{key}={value}" for key, value in files.get(corpus, {}).items()] + (
        model_overrides(name, family) if group == "model" else own.get((group, name), [])
    )


def model_overrides(name: str, family: Folders) -> list[str]:
    """A tiny model of the family (BERT, where the name tells none) in place of what would be downloaded."""
    if name == "minilm":
        return []
    if name == "precomputed":
        return [f"model.path={arrays(family('bert').parent / 'arrays')}"]
    known = name if name in FAMILIES else {"xlmr": "xlm-roberta", "smollm2": "llama"}.get(name, "bert")
    return [f"model.name={family(known)}"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_yaml_constructs_what_its_group_promises(
    path: Path, tmp_path: Path, files: Files, family: Folders, planted: Split, request: pytest.FixtureRequest
) -> None:
    group, name = path.parent.name, path.stem
    if (group, name) == ("model", "minilm"):
        request.getfixturevalue("minilm")
    if (group, name) == ("corpus", "hub"):
        pytest.skip("a dataset has tests of its own, tests/corpora/test_hub.py")
    if (group, name) == ("logger", "mlflow"):
        pytest.importorskip("mlflow", reason="MLflow is an extra: pip install 'neuronprobe[mlflow]'")
    if (group, name) == ("trainer", "gpu") and not torch.cuda.is_available():
        pytest.skip("this machine has no GPU")
    config = configuration(tmp_path, f"{group}={name}", *needs(group, name, files, family))
    if group == "experiment":
        request.getfixturevalue("minilm")
        job = build(config)
        assert job.studies[0].name == "lambda_search" and (config.paper is None or config.paper in name)
        return
    check(group, name, construct(config, group) if group != "activations" else config, planted)


@pytest.mark.parametrize(("corpus", "name"), PAIRS)
def test_a_property_finds_its_column(corpus: str, name: str, tmp_path: Path, files: Files, family: Folders) -> None:
    overrides = [f"corpus={corpus}", f"property={name}", *needs("corpus", corpus, files, family)]
    config = configuration(tmp_path, *overrides)
    made, found = construct(config, "corpus"), construct(config, "property")
    sentences = list(made.sentences("train"))
    labels = [label for sentence in sentences for label in sentence.annotations[name] if label]
    assert (made.name, found.name) == (corpus, name)
    assert [unit.label for unit in found.units(sentences)] == labels


@pytest.mark.parametrize("corpus", DEFAULTS)
def test_a_corpus_names_its_default_property_which_holds_unless_one_is_given(
    corpus: str, tmp_path: Path, files: Files, family: Folders
) -> None:
    overrides = [f"corpus={corpus}", *needs("corpus", corpus, files, family)]
    config = configuration(tmp_path, *overrides)
    found, sentences = construct(config, "property"), construct(config, "corpus").sentences("train")
    assert found.name == DEFAULTS[corpus] and next(found.units(sentences), None) is not None
    assert construct(configuration(tmp_path, *overrides, "property=xpos"), "property").name == "xpos"


def arrays(folder: Path) -> Path:
    """Activations of two sentences as another program would write them."""
    folder.mkdir(exist_ok=True)
    (folder / "words.txt").write_text("A small corpus .\nTwo words\n", encoding="utf-8")
    for layer in range(2):
        np.save(folder / f"layer_{layer}.npy", np.full((6, 3), layer, np.float16))
    return folder


def check(group: str, name: str, made: Any, planted: Split) -> None:
    if group == "corpus":
        for split in SPLITS:
            assert isinstance(next(made.sentences(split)), Sentence)
    elif group == "property":
        assert list(made.units([])) == [] and made.roles
    elif group == "model":
        assert made.fingerprint and made.level == "word"
        assert len(made.neurons) == sum(segment.width for segment in made.neurons.segments)
    elif group == "ranking":
        (rank,) = made.values()
        evidence = Evidence(planted, planted, PLANTED_FIT, 0, PLANTED_FIT([Member(1e-3, 1e-4)], planted)[0])
        ranking = rank(evidence)
        assert isinstance(ranking, Ranking) and sorted(ranking.order.tolist()) == list(range(40))
        assert 0 <= ranking.earned <= 40 and ranking.by_label.shape == (4, 40) and list(made) == [ranking.name]
        if name != "random":
            assert len(set(ranking.order[:8].tolist()) & {7, 18, 25, 31}) == 4, "what was planted is in the top"
    elif group == "probe":
        assert made.reference in {(member.l1, member.l2) for member in made.grid()} and len(made.grid()) <= 25
    elif group == "search":
        assert isinstance(made, StudyCallback) and made.name == "lambda_search"
    elif group == "callbacks":
        assert all(hasattr(callback, "study") for callback in (made or {}).values())


def test_a_class_outside_the_repository_is_constructed_once_it_is_allowed(tmp_path: Path) -> None:
    from neuronprobe.errors import InputError

    config = configuration(tmp_path)
    config.property = {"_target_": "fractions.Fraction"}
    with pytest.raises(InputError, match="allow_targets"):
        construct(config, "property")
    config.allow_targets = ["fractions."]
    assert construct(config, "property") == 0


@pytest.mark.parametrize(
    "target", ["pytorch_lightning.trainer.trainer.os.getcwd", "neuronprobe.activations.split.torch.load"]
)
def test_a_target_must_not_lead_out_of_what_is_allowed(target: str, tmp_path: Path) -> None:
    from neuronprobe.errors import InputError

    config = configuration(tmp_path, f"property._target_={target}", "~property.name")
    with pytest.raises(InputError, match=f"must not lead elsewhere, got '{target}', which is "):
        construct(config, "property")
