"""Activations of other programs: found by the words of a sentence, and refused where they are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuronprobe.corpora import ConlluCorpus
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer, PrecomputedActivations
from neuronprobe.types import Sentence
from tests.sources import SPLITS, as_hdf5, as_json, as_npy, everything, module


@pytest.mark.parametrize("write", [as_npy, as_json, as_hdf5])
def test_activations_of_other_programs_are_read_by_the_words_of_their_sentences(
    write: Any, corpus: ConlluCorpus, small_treebank: dict[str, str], tiny_bert: Path, tmp_path: Path
) -> None:
    data = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path / "store")
    paths = [write(corpus, data, tmp_path / split, split) for split in SPLITS]
    source = PrecomputedActivations(paths[::-1], title="theirs")
    found = module(corpus, source, tmp_path / "theirs")
    assert found.extracted == list(SPLITS)
    assert found.split("train").neurons == data.split("train").neurons
    for split in SPLITS:
        torch.testing.assert_close(everything(found, split), everything(data, split))
    few = module(ConlluCorpus(small_treebank["dev"], *[small_treebank["test"]] * 2), source, tmp_path / "theirs")
    assert few.extracted == ["train", "dev"] or few.extracted == [], "the same text and files: the same store"
    with pytest.raises(InputError, match=r"sentence .* must be in the activations, got none for"):
        module(corpus, PrecomputedActivations(paths[0]), tmp_path / "one")


def test_files_that_are_no_activations_are_named(tmp_path: Path) -> None:
    def read(path: Path) -> Any:
        return PrecomputedActivations(str(path)).neurons

    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InputError, match=r"must hold SITE-LAYER\.npy files"):
        read(folder)
    np.save(folder / "layer_0.npy", np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match="which is not there"):
        read(folder)
    (folder / "words.txt").write_text("two words")
    with pytest.raises(InputError, match=r"must have 2 rows, the words of words\.txt, got 3"):
        read(folder)
    np.save(folder / "layer_0.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"must be a \.npy file without pickle"):
        read(folder)
    np.save(folder / "layer_0.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"must hold numbers \[word, neuron\]"):
        read(folder)
    np.save(folder / "layer_0.npy", np.zeros((3, 2), np.float32))
    (folder / "words.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="must be UTF-8 text"):
        read(folder)
    for name, content, message in (
        ("e.json", '{"features": [{"layers": []}]}', "as NeuroX writes it, got KeyError"),
        ("f.json", '{"features": [{"token": "a", "layers": [{"values": [1, 2]}, {"values": [1]}]}]}', "got ValueError"),
        ("a.json", "{}", "a line without features"), ("b.json", "", "got no sentence in it"),
        ("c.hdf5", "x", "must be an hdf5 file of NeuroX"), ("d.txt", "x", r"must be a folder, or a \.hdf5"),
    ):  # fmt: skip
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match=message):
            read(tmp_path / name)
    with pytest.raises(InputError, match="which is not there"):
        read(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match=r"model\.path must be a folder or a file"):
        PrecomputedActivations([])


def test_only_what_is_read_of_a_folder_is_in_its_fingerprint(tmp_path: Path) -> None:
    (tmp_path / ".ipynb_checkpoints").mkdir()
    np.save(tmp_path / "layer_0.npy", np.zeros((4, 2), np.float32))
    (tmp_path / "words.txt").write_text('[ 3 ]\n["a b"]\n')
    before = PrecomputedActivations(str(tmp_path)).fingerprint
    (tmp_path / "README").write_text("about")
    source = PrecomputedActivations(str(tmp_path))
    assert source.fingerprint == before
    read = source.chunk([Sentence("s", ("[", "3", "]"), {}), Sentence("t", ("a b",), {})], None, 0)
    assert read.layers[0].shape == (4, 2)
    np.save(tmp_path / "layer_0.npy", np.ones((4, 2), np.float32))
    assert PrecomputedActivations(str(tmp_path)).fingerprint != before


def test_vectors_and_words_must_be_as_many(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    layers = [{"index": 0, "values": [1.0, 2.0]}]
    path.write_text(json.dumps({"features": [{"token": "one", "layers": layers}]}))
    source = PrecomputedActivations(str(path))
    assert source.chunk([Sentence("s", ("one",), {})], None, 0).layers[0].tolist() == [[1.0, 2.0]]
    with pytest.raises(InputError, match="sentence s must be in the activations"):
        source.chunk([Sentence("s", ("one", "two"), {})], None, 0)
