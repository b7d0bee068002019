"""The folder of a model: what must be in it, and what of it decides the fingerprint."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer, from_package
from tests.models.conftest import read_all


def without(*patterns: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for pattern in patterns:
            for path in folder.glob(pattern):
                path.unlink()

    return remove


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("config.json"), "with config.json"),
        (without("*.safetensors"), r"with weights \(model\*.safetensors\)"),
        (without("tokenizer*", "vocab*"), "with a tokenizer"),
    ],
)
def test_a_folder_that_lacks_something_is_named(
    change: Callable[[Path], None], message: str, tiny_bert: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_bert, tmp_path / "model")
    change(tmp_path / "model")
    with pytest.raises(InputError, match=f"model.name must be a model folder {message}"):
        FrozenTransformer(str(tmp_path / "model"))


def test_a_name_that_is_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="must be a folder or a name on the Hugging Face hub, got 'no/such-model'"):
        FrozenTransformer("no/such-model")
    with pytest.raises(InputError, match="must come from an installed package, got 'no_such_package'"):
        from_package("no_such_package", "model")


def test_a_hub_that_does_not_answer_is_told_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:

    from neuronprobe.models.network import folder

    with socket.socket() as silent:  # accepts, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(folder, "SECONDS", 1.0)
        start = time.monotonic()
        with pytest.raises(InputError, match="without a network give the folder of a saved model"):
            FrozenTransformer("no/such-model")
    assert time.monotonic() - start < 30


def test_weights_in_pickle_are_refused_unless_allowed(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="weights are in pickle, which can run code"):
        FrozenTransformer(str(folder))
    allowed = FrozenTransformer(str(folder), allow_pickle=True)
    torch.testing.assert_close(read_all(allowed)[2], read_all(FrozenTransformer(str(tiny_bert)))[2])
    assert allowed.fingerprint != FrozenTransformer(str(tiny_bert)).fingerprint


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "config.json"])
def test_the_fingerprint_changes_with_every_file_that_decides(name: str, tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "model")
    path = tmp_path / "model" / name
    path.write_text(path.read_text() + " ")
    assert FrozenTransformer(str(tmp_path / "model")).fingerprint != FrozenTransformer(str(tiny_bert)).fingerprint


def test_the_fingerprint_changes_with_the_weights_and_not_with_where_they_lie(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_bert, tmp_path / "model")
    assert FrozenTransformer(str(tmp_path / "model")).fingerprint == FrozenTransformer(str(tiny_bert)).fingerprint
    weights = load_file(tmp_path / "model" / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    assert FrozenTransformer(str(tmp_path / "model")).fingerprint != FrozenTransformer(str(tiny_bert)).fingerprint


def test_the_fingerprint_is_of_the_weights_that_are_loaded(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    keys = []
    for factor in (1, 2):
        torch.save({name: factor * tensor for name, tensor in weights.items()}, folder / "pytorch_model.bin")
        keys.append(FrozenTransformer(str(folder), allow_pickle=True).fingerprint)
    assert keys[0] != keys[1]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    both = FrozenTransformer(str(folder), allow_pickle=True)
    assert torch.equal(read_all(both)[2], read_all(FrozenTransformer(str(tiny_bert)))[2]), "safetensors come first"
