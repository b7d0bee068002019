"""Activations without a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from neuronprobe.activations import BatchStream
from neuronprobe.corpora import ConlluCorpus
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer, PrecomputedActivations
from tests.sources import SPLITS, as_npy, everything, module


@pytest.mark.parametrize("memory_limit", [8.0, 1e-4])
def test_live_activations_are_those_of_the_store(
    memory_limit: float, corpus: ConlluCorpus, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path / "store")
    model = FrozenTransformer(str(tiny_bert))
    data = module(corpus, model, tmp_path / "none", live=True, memory_limit=memory_limit)
    assert not (tmp_path / "none").exists(), "nothing is written"
    read: list[int] = []
    chunk = FrozenTransformer.chunk

    def counted(self: Any, sentences: Any, *rest: Any) -> Any:
        read.append(len(sentences))
        return chunk(self, sentences, *rest)

    monkeypatch.setattr(FrozenTransformer, "chunk", counted)
    for name in ("train", "dev", "test"):
        torch.testing.assert_close(everything(data, name), everything(stored, name), rtol=1e-5, atol=1e-5)
    split, store = data.split("train"), data.split("train")._store
    for epoch in range(2):
        found = list(BatchStream(split, 64, seed=1, epoch=epoch))
        order = torch.cat([batch.positions for batch in found])
        assert sorted(order.tolist()) == list(range(len(split)))
        expected = stored.split("train").batch(order).activations
        torch.testing.assert_close(torch.cat([b.activations for b in found]), expected, rtol=1e-5, atol=1e-5)
    n_sentences = sum(split.units.n_sentences for split in map(data.split, ("train", "dev", "test")))
    if memory_limit > 1:
        assert split.fits_in_memory and sum(read) == n_sentences, "each sentence is read once"
    else:
        held = sum(len(values) for values in store._read.values())
        assert not split.fits_in_memory and sum(read) > n_sentences
        assert held * len(split.neurons) * 4 <= memory_limit * 2**30, "old sentences leave memory"


def test_live_words_without_subword_are_dropped_and_counted(tiny_bert: Path, tmp_path: Path) -> None:
    text = "1\tx\t_\tX\t_\t_\t0\troot\t_\t_\n2\t\u200d\t_\tY\t_\t_\t1\tdep\t_\t_\n3\ty\t_\tY\t_\t_\t1\tdep\t_\t_\n\n"
    (tmp_path / "a.conllu").write_text(text, encoding="utf-8")
    files = ConlluCorpus(*[str(tmp_path / "a.conllu")] * 3)
    data = module(files, FrozenTransformer(str(tiny_bert), no_subword="drop"), tmp_path, live=True)
    assert data.counts["train"]["words_dropped"] == 1 and len(data.split("train")) == 2
    with pytest.raises(InputError, match="word 2 of sentence"):
        module(files, FrozenTransformer(str(tiny_bert)), tmp_path, live=True)


def test_live_activations_must_be_finite_and_may_come_from_files(
    corpus: ConlluCorpus, tiny_bert: Path, tmp_path: Path
) -> None:
    model = FrozenTransformer(str(tiny_bert))
    stored = module(corpus, model, tmp_path / "store")
    paths = [as_npy(corpus, stored, tmp_path / split, split) for split in SPLITS]
    theirs = module(corpus, PrecomputedActivations(paths), tmp_path, live=True)
    torch.testing.assert_close(everything(theirs), everything(stored))
    data = module(corpus, model, tmp_path, live=True)
    model.network.get_submodule("encoder.layer.1.output.dense").bias.data[0] = float("inf")
    with pytest.raises(InputError, match="activations of layer 2 must be finite"):
        everything(data)
