"""Data modules over small corpora, and their activations as other programs write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuronprobe.activations import ActivationsDataModule
from neuronprobe.corpora import ConlluCorpus
from neuronprobe.properties import WordProperty

SPLITS = ("train", "dev", "test")


def module(corpus: Any, model: Any, folder: Path, prop: Any = None, **settings: Any) -> ActivationsDataModule:
    settings = {"dtype": "float32", **settings}
    data = ActivationsDataModule(corpus, prop or WordProperty("upos"), model, str(folder), **settings)
    data.prepare_data()
    data.setup()
    return data


def everything(data: ActivationsDataModule, name: str = "train") -> Tensor:
    return torch.cat([batch.activations for batch in data.split(name).blocks(100)])


def as_npy(corpus: ConlluCorpus, data: ActivationsDataModule, folder: Path, split: str) -> str:
    folder.mkdir()
    sentences = list(corpus.sentences(split))
    lines = [json.dumps(s.words) if i % 2 else " ".join(s.words) for i, s in enumerate(sentences)]
    (folder / "words.txt").write_text("\n".join(lines), encoding="utf-8")
    for layer, values in enumerate(everything(data, split).split(32, dim=1)):
        np.save(folder / f"residual-{layer:02d}.npy", values.numpy())
    return str(folder)


def as_json(corpus: ConlluCorpus, data: ActivationsDataModule, folder: Path, split: str) -> str:
    """As NeuroX writes it."""
    values = iter(everything(data, split))
    path = folder.with_suffix(".json")
    with path.open("w", encoding="utf-8") as file:
        for number, sentence in enumerate(corpus.sentences(split)):
            words = [
                {"token": word, "layers": [{"index": layer, "values": part.tolist()}
                                           for layer, part in enumerate(next(values).split(32))]}
                for word in sentence.words
            ]  # fmt: skip
            file.write(json.dumps({"linex_index": number, "features": words}) + "\n")
    return str(path)


def as_hdf5(corpus: ConlluCorpus, data: ActivationsDataModule, folder: Path, split: str) -> str:
    """As NeuroX writes it."""
    import h5py

    values, index, row = everything(data, split), {}, 0
    path = folder.with_suffix(".hdf5")
    with h5py.File(path, "w") as file:
        for number, sentence in enumerate(corpus.sentences(split)):
            own = values[row : row + len(sentence.words)].reshape(-1, 3, 32).transpose(0, 1)
            file.create_dataset(str(number), data=own.numpy())
            index[" ".join(sentence.words)] = str(number)
            row += len(sentence.words)
        file.create_dataset("sentence_to_index", (1,), dtype=h5py.special_dtype(vlen=str))[0] = json.dumps(index)
    return str(path)
