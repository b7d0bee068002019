"""Every YAML of every group is one constructor call that works: what is added to a folder is tested here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from neuronprobe.build import construct
from neuronprobe.corpora import SPLITS
from neuronprobe.types import Ranking, Sentence

CONF = Path(__file__).parents[2] / "conf"
FILES = sorted(CONF.glob("*/*.yaml"))


def configuration(tmp_path: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        config = compose("config", [*overrides, f"hydra.runtime.output_dir={tmp_path}"], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    return config


def needs(group: str, name: str, treebank: dict[str, str], tiny_bert: Path) -> list[str]:
    """Overrides for what a YAML leaves to the user."""
    is_conllu = (group, name) == ("corpus", "conllu") or group == "experiment"
    files = [f"corpus.{split}={path}" for split, path in treebank.items()] if is_conllu else []
    return files + ([f"model.name={tiny_bert}"] if (group, name) == ("model", "hf") else [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_yaml_constructs_what_its_group_promises(
    path: Path, tmp_path: Path, small_treebank: dict[str, str], tiny_bert: Path, request: pytest.FixtureRequest
) -> None:
    group, name = path.parent.name, path.stem
    if (group, name) == ("model", "minilm"):
        request.getfixturevalue("minilm")
    if (group, name) == ("trainer", "gpu") and not torch.cuda.is_available():
        pytest.skip("this machine has no GPU")
    config = configuration(tmp_path, f"{group}={name}", *needs(group, name, small_treebank, tiny_bert))
    if group == "experiment":
        return
    check(group, construct(config, group) if group != "activations" else config)


def check(group: str, made: Any) -> None:
    if group == "corpus":
        for split in SPLITS:
            assert isinstance(next(made.sentences(split)), Sentence)
    elif group == "property":
        assert list(made.units([])) == [] and made.roles
    elif group == "model":
        assert {"model", "dtype", "site", "aggregation"} <= set(made.fingerprint)
        assert len(made.neurons) == sum(segment.width for segment in made.neurons.segments)
    elif group == "ranking":
        ranking = made(torch.tensor([[1.0, -3.0, 0.5], [0.1, 0.2, 2.0]]))
        assert isinstance(ranking, Ranking) and sorted(ranking.order.tolist()) == [0, 1, 2]
    elif group == "probe":
        assert made.reference in {(member.l1, member.l2) for member in made.grid()} and len(made.grid()) <= 25
    elif group == "callbacks":
        assert all(hasattr(callback, "study") for callback in (made or {}).values())


def test_a_class_outside_the_repository_is_constructed_once_it_is_allowed(tmp_path: Path) -> None:
    from neuronprobe.errors import InputError

    config = configuration(tmp_path, "property._target_=fractions.Fraction", "~property.name")
    with pytest.raises(InputError, match="allow_targets"):
        construct(config, "property")
    config.allow_targets = ["fractions."]
    assert construct(config, "property") == 0
