"""Activations without a store, of whole sentences, and of other programs; and a look at the folder of stores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neuronprobe.activations import ActivationsDataModule, BatchStream
from neuronprobe.activations.store import StoreWriter
from neuronprobe.activations.stores import entries
from neuronprobe.corpora import ConlluCorpus, LinesCorpus
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer, PrecomputedActivations
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.properties import SentenceProperty, WordProperty
from neuronprobe.store import main
from neuronprobe.types import Sentence


@pytest.fixture
def corpus(small_treebank: dict[str, str]) -> ConlluCorpus:
    return ConlluCorpus(**small_treebank)


def module(corpus: Any, model: Any, folder: Path, prop: Any = None, **settings: Any) -> ActivationsDataModule:
    settings = {"dtype": "float32", "batch_size": 32, **settings}
    data = ActivationsDataModule(corpus, prop or WordProperty("upos"), model, str(folder), **settings)
    data.prepare_data()
    data.setup()
    return data


def everything(data: ActivationsDataModule, name: str = "train") -> Tensor:
    return torch.cat([batch.activations for batch in data.split(name).blocks(100)])


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
        order = torch.cat([batch.places for batch in found])
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


def test_a_label_of_sentences_is_read_from_a_row_for_each(
    small_questions: dict[str, str], tiny_bert: Path, tmp_path: Path
) -> None:
    corpus = LinesCorpus(
        **small_questions, held_out=100, separator="blank", coarse=":", encoding="latin-1", prop="question"
    )
    model = FrozenTransformer(str(tiny_bert), aggregation="sentence_mean")
    data = module(corpus, model, tmp_path, SentenceProperty("question"))
    assert list(data.labels) == ["HUM", "LOC", "NUM"]
    assert [len(data.split(name)) for name in ("train", "dev", "test")] == [500, 100, 90]
    assert data.split("train").batch(torch.tensor([3])).activations.shape == (1, 96)
    assert list(module(corpus, model, tmp_path, SentenceProperty("question_fine")).labels) == [
        "HUM:ind",
        "LOC:city",
        "NUM:date",
    ]
    with pytest.raises(InputError, match=r"model\.aggregation must give a row for each sentence for property question"):
        module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path, SentenceProperty("question"))
    with pytest.raises(InputError, match="choose last, first, average or max"):
        module(corpus, model, tmp_path, WordProperty("upos"))
    with pytest.raises(
        InputError, match=r"a label of sentences \(question, question_fine in this corpus\), got 'topic'"
    ):
        module(corpus, model, tmp_path, SentenceProperty("topic")).labels  # noqa: B018


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("HUM\n", {}, "line 1, must be a label, a separator and words"),
        ("\n\n", {}, "must hold at least one sentence"),
        ("HUM who\n", {"dev": "x"}, "got both"),
        ("HUM who\n", {"encoding": "latin-99"}, "corpus.encoding must be a known encoding"),
        ("HUM caf\u00e9\n", {}, "must be UTF-8 text"),
        ("HUM who\n", {"held_out": 1}, "something must be left for train"),
    ],
)
def test_lines_that_cannot_be_used_are_named(text: str, settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=message):
        list(LinesCorpus(str(path), str(path), **{"held_out": 2, "separator": "blank", **settings}).sentences("train"))


SPLITS = ("train", "dev", "test")


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


@pytest.mark.parametrize("write", [as_npy, as_json, as_hdf5])
def test_activations_of_other_programs_are_read_by_the_words_of_their_sentences(
    write: Any, corpus: ConlluCorpus, tiny_bert: Path, tmp_path: Path
) -> None:
    data = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path / "store")
    paths = [write(corpus, data, tmp_path / split, split) for split in SPLITS]
    source = PrecomputedActivations(paths[::-1], title="theirs")
    found = module(corpus, source, tmp_path / "theirs")
    assert found.extracted == list(SPLITS)
    assert found.split("train").neurons == data.split("train").neurons
    for split in SPLITS:
        torch.testing.assert_close(everything(found, split), everything(data, split))
    few = module(ConlluCorpus(corpus._paths["dev"], *[corpus._paths["test"]] * 2), source, tmp_path / "theirs")
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


@pytest.fixture
def stores(tmp_path: Path, corpus: ConlluCorpus, tiny_bert: Path) -> Path:
    module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path / "stores")
    writer = StoreWriter(
        tmp_path / "stores" / "half", {"x": 1}, NeuronTable((Segment("residual", 0, 2),)), 9, "float16"
    )
    writer.append([torch.zeros(3, 2)])
    return tmp_path / "stores"


def test_stores_are_listed_with_what_they_hold(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(stores), "list"]) == 0
    shown = capsys.readouterr().out
    rows = {entry.name: next(line for line in shown.splitlines() if entry.name in line) for entry in entries(stores)}
    assert len(rows) == 4 and "not finished" in rows["half.partial"]
    whole = [row for name, row in rows.items() if name != "half.partial"]
    assert all("96" in row and "residual 0–2" in row and "float32" in row for row in whole)
    assert sum("conllu train" in row for row in whole) == 1
    assert main(["--folder", str(stores), "size"]) == 0
    total = sum(path.stat().st_size for path in stores.rglob("*") if path.is_file() and path.suffix != ".lock")
    assert f"{total / 2**20:.1f} MiB in 4 stores" in capsys.readouterr().out


def test_a_damaged_store_is_found(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [entry.name for entry in entries(stores) if entry.is_finished]
    assert main(["--folder", str(stores), "verify", *names]) == 0
    path = stores / names[1] / "residual-01.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    capsys.readouterr()
    assert main(["--folder", str(stores), "verify"]) == 1
    shown = capsys.readouterr().out
    assert f"{names[0]}: whole." in shown and f"{names[1]}: {path} is missing, truncated or changed." in shown
    (stores / names[0]).rename(stores / "other")
    assert main(["--folder", str(stores), "verify", "other"]) == 1
    assert "not that of its fingerprint" in capsys.readouterr().out


def test_a_store_is_removed_by_the_beginning_of_its_name(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from filelock import FileLock

    names = [entry.name for entry in entries(stores)]
    with FileLock(stores / f"{names[0]}.lock"):
        assert main(["--folder", str(stores), "remove", names[0]]) == 2
    assert "a job is writing" in capsys.readouterr().err
    assert main(["--folder", str(stores), "remove", names[0][:8], "half"]) == 0
    assert [entry.name for entry in entries(stores)] == names[1:3]
    assert main(["--folder", str(stores), "remove", "nothing"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: a store must be one of") and "\n" not in error.strip()
    assert main(["--folder", str(stores / "nowhere"), "list"]) == 2


def test_what_is_no_store_is_neither_listed_nor_removed(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in (("mine", '{"name": "x"}'), ("other", "[1]"), ("third", '{"fingerprint": {}}')):
        (stores / name).mkdir()
        (stores / name / "index.json").write_text(content)
    assert main(["--folder", str(stores), "list"]) == 0
    assert not any(word in capsys.readouterr().out for word in ("mine", "other", "third"))
    assert main(["--folder", str(stores), "remove", "mine"]) == 2
    names = [entry.name for entry in entries(stores)]
    (stores / names[0] / "thesis.tex").write_text("years of work")
    assert main(["--folder", str(stores), "remove", names[0]]) == 2
    assert "must hold a store and nothing else, got thesis.tex" in capsys.readouterr().err
    assert main(["--folder", str(stores), "remove", names[1], names[1][:10]]) == 0, "the same store twice"
