"""What float16 takes from neurons whose mean is many deviations, and how the store keeps that small."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neuronprobe.activations import ActivationsDataModule, Store, StoreError, extraction
from neuronprobe.activations.rounding import LIMIT
from neuronprobe.activations.store import StoreWriter, store_name
from neuronprobe.corpora import ConlluCorpus
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer, PrecomputedActivations
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.properties import WordProperty
from neuronprobe.store import main

MARK = {"model": "m", "forms": "f"}
MEANS = (0.0, 2.0, 100.0, 1_000.0, 4_000.0, 40_000.0)
"""Of neurons with a deviation of 1; a constant is behind them."""
TABLE = NeuronTable((Segment("residual", 0, len(MEANS) + 1), Segment("residual", 1, 3)))


def planted(n: int, seed: int = 0) -> list[Tensor]:
    """An uneven layer, and an ordinary one."""
    generator = torch.Generator().manual_seed(seed)
    uneven = torch.cat([torch.randn(n, len(MEANS), generator=generator) + torch.tensor(MEANS), torch.ones(n, 1)], 1)
    uneven[:, -1] = 1_234.5678
    return [uneven, torch.randn(n, 3, generator=generator)]


def parts(layers: Sequence[Tensor], *sizes: int) -> list[list[Tensor]]:
    return [list(part) for part in zip(*(layer.split(sizes) for layer in layers), strict=True)]


def write(folder: Path, chunks: Sequence[list[Tensor]], table: NeuronTable = TABLE, dtype: str = "float16") -> Store:
    """As extraction does it: the chunks a second time where the writer wants them."""
    n_words = sum(len(chunk[0]) for chunk in chunks)
    writer = StoreWriter(folder, MARK, table, n_words, dtype)
    append(writer, chunks)
    if not writer.settle():
        append(writer, chunks)
        assert writer.settle()
    writer.finish()
    return Store(folder, MARK)


def append(writer: StoreWriter, chunks: Sequence[list[Tensor]]) -> None:
    seen = 0
    for chunk in chunks:
        seen += len(chunk[0])
        if seen > writer.words_done:
            writer.append(chunk, dropped=[1], windows=2)


def everything(store: Store) -> Tensor:
    return store.gather(torch.arange(store.n_words)[:, None])


def loss(store: Store, layers: Sequence[Tensor]) -> Tensor:
    """Root-mean-square rounding over deviation, by numpy's own moments."""
    exact = np.concatenate([layer.double().numpy() for layer in layers], 1)
    lost = np.sqrt(np.square(everything(store).numpy() - exact).mean(0))
    return torch.from_numpy(lost / np.where(exact.std(0) > 1e-9, exact.std(0), np.inf))


def index(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "index.json").read_text())  # type: ignore[no-any-return]


def test_neurons_whose_mean_is_many_deviations_are_read_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    layers = planted(3_000)
    store = write(tmp_path / "s", parts(layers, 1_000, 1_500, 500))
    assert loss(store, layers).max() < LIMIT, "every neuron keeps its deviation"
    assert loss(store, layers)[2:].max() < 0.001, "what is shifted even as well as a neuron around 0"
    assert float(everything(store)[:, len(MEANS)].sub(1_234.5678).abs().max()) < 1, "a constant is one, to float16"
    entry = index(tmp_path / "s")["shifted"]
    assert entry["residual-00"]["neurons"] == [2, 3, 4, 5] and list(entry) == ["residual-00"]
    assert entry["residual-00"]["rounding_if_not_shifted"] == pytest.approx(40_000 / 2_048, rel=0.05)
    assert entry["residual-00"]["mean_over_deviation"] == pytest.approx(40_000, rel=0.05)
    assert "4 neurons of residual-00 are stored as (activation - offset) / scale" in caplog.text
    assert (tmp_path / "s" / "residual-00.npy").stat().st_size == 128 + 2 * 3_000 * 7, "the file is as large as before"


def test_shifted_neurons_are_read_alike_by_words_and_pairs(tmp_path: Path) -> None:
    layers = planted(500)
    store = write(tmp_path / "s", [layers])
    whole, exact = everything(store), torch.cat(layers, dim=1)
    torch.testing.assert_close(whole[:, 3:6], exact[:, 3:6], rtol=0, atol=0.01)
    pair = store.gather(torch.tensor([[7, 3], [0, 7]]))
    assert torch.equal(pair, torch.cat([whole[[7, 0]], whole[[3, 7]]], dim=1))
    assert store.gather(torch.zeros(0, 2, dtype=torch.long)).shape == (0, 20)
    store.to(torch.device("cpu"))


def test_a_layer_of_tiny_activations_is_kept(tmp_path: Path) -> None:
    layers = [layer * 1e-9 for layer in planted(400)]
    store = write(tmp_path / "s", parts(layers, 100, 300))
    exact = torch.cat(layers, dim=1)
    assert ((everything(store) - exact).double().square().mean(0).sqrt()[7:] < 1e-3 * 1e-9).all()


def one(values: Tensor) -> list[Tensor]:
    return [torch.cat([values[:, None], values.new_ones(len(values), 6)], 1), torch.randn(len(values), 3)]


def misleading(how: str) -> tuple[Tensor, Tensor]:
    """The first words of a neuron, and all others."""
    noise = torch.Generator().manual_seed(0)
    first, rest = torch.randn(100, generator=noise), torch.randn(4_900, generator=noise)
    return {
        "constant at first": (torch.full((100,), 1_000.0), 1_000 + 0.1 * rest),
        "wide at first": (1_000 + 30 * first, 1_000 + 0.1 * rest),
        "narrow at first": (1_000 + 1e-2 * first, 1_000 + rest),
        "tiny at first": (1e-3 + 1e-7 * first, 1e-3 + 100 * rest),
        "drifting": (1_000 + first, 3_000 + rest / 10),
    }[how]


@pytest.mark.parametrize("how", ["constant at first", "wide at first", "narrow at first", "tiny at first", "drifting"])
def test_first_words_that_mislead_are_found_out(how: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = one(torch.cat(misleading(how)))
    store = write(tmp_path / "s", parts(layers, 100, 2_900, 2_000))
    assert loss(store, layers).max() <= LIMIT
    assert store.dropped.tolist() == [1, 101, 3_001] and store.windows == 6, "counted once"


def test_what_is_read_twice_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    layers = one(torch.cat(misleading("constant at first")))
    write(tmp_path / "s", parts(layers, 100, 4_900))
    entry = index(tmp_path / "s")["shifted"]["residual-00"]
    assert entry["written_anew"] and entry["neurons"] == [0]
    assert entry["rounding_over_deviation"] < 0.001
    assert entry["mean_over_deviation"] == pytest.approx(
        float(layers[0][:, 0].mean() / layers[0][:, 0].std()), rel=0.01
    )
    assert (
        "all words are read again for residual 0: float16 would take up to all of a deviation (limit 5%)" in caplog.text
    )


@pytest.mark.parametrize("how", ["plain", "constant at first", "wide at first"])
@pytest.mark.parametrize("kill", range(1, 7))
def test_a_killed_writer_ends_with_the_same_bytes(how: str, kill: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = planted(5_000) if how == "plain" else one(torch.cat(misleading(how)))
    chunks = parts(layers, 100, 2_900, 2_000)
    write(tmp_path / "whole", chunks)
    with pytest.MonkeyPatch.context() as patch:
        append_once, n = StoreWriter.append, []

        def append_and_die(self: StoreWriter, *arguments: Any, **settings: Any) -> None:
            append_once(self, *arguments, **settings)
            n.append(1)
            if len(n) == kill:
                with self._files[0].path.open("ab") as file:
                    file.write(b"half a row that was never marked")
                raise KeyboardInterrupt

        patch.setattr(StoreWriter, "append", append_and_die)
        try:
            write(tmp_path / "killed", chunks)
        except KeyboardInterrupt:
            write(tmp_path / "killed", chunks)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "killed" / path.name).read_bytes(), path.name


def test_an_ordinary_store_is_what_it_was_before_neurons_were_shifted(tmp_path: Path) -> None:
    layers = [torch.randn(40, 7), torch.randn(40, 3)]
    layers[0][:, 2], layers[0][:, 3] = 1_000.1, 1e-9 * layers[0][:, 3]  # a constant, and one for float16
    store = write(tmp_path / "s", parts(layers, 10, 30))
    for number, layer in enumerate(layers):
        np.save(tmp_path / "theirs.npy", layer.numpy().astype(np.float16))
        assert (tmp_path / "s" / f"residual-0{number}.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()
    keys = ["schema", "title", "fingerprint", "segments", "words", "dtype", "dropped", "windows", "sha256"]
    assert list(index(tmp_path / "s")) == keys and index(tmp_path / "s")["schema"] == 1
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [
        "index.json", "residual-00.npy", "residual-01.npy",
    ]  # fmt: skip
    assert torch.equal(everything(store), torch.cat(layers, dim=1).half().float())


def test_a_float32_store_is_as_it_is_given(tmp_path: Path) -> None:
    layers = planted(40)
    assert torch.equal(everything(write(tmp_path / "s", [layers], dtype="float32")), torch.cat(layers, dim=1))
    assert index(tmp_path / "s")["schema"] == 1


def test_a_store_of_before_is_opened_as_it_is(tmp_path: Path) -> None:
    from hashlib import sha256

    values = np.array([[1_000.5, 2], [1_001.5, 3]], np.float16)
    np.save(tmp_path / "residual-00.npy", values)
    known = {"residual-00.npy": sha256((tmp_path / "residual-00.npy").read_bytes()).hexdigest()}
    table = NeuronTable((Segment("residual", 0, 2),))
    before = {"schema": 1, "title": "", "fingerprint": MARK, "segments": table.as_list(), "words": 2}
    before |= {"dtype": "float16", "dropped": [], "windows": 0, "sha256": known}
    (tmp_path / "index.json").write_text(json.dumps(before))
    assert everything(Store(tmp_path, MARK)).tolist() == values.tolist()


def test_a_changed_byte_of_the_offsets_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / store_name(MARK)
    write(folder, [planted(100)])
    assert index(folder)["schema"] == 2, "a reader that knows no shifts refuses it"
    assert main(["--folder", str(tmp_path), "list"]) == 0
    assert "float16, 4 shifted" in capsys.readouterr().out
    assert main(["--folder", str(tmp_path), "verify"]) == 0
    content = bytearray((folder / "shift.npy").read_bytes())
    content[128 + 4 * 4] ^= 1
    (folder / "shift.npy").write_bytes(content)
    assert main(["--folder", str(tmp_path), "verify"]) == 1
    assert "shift.npy is missing, truncated or changed" in capsys.readouterr().out
    with pytest.raises(StoreError, match=r"shift\.npy is missing"):
        Store(folder, MARK)
    assert main(["--folder", str(tmp_path), "remove", folder.name]) == 0
    assert not folder.exists()


def test_a_writer_does_not_finish_what_is_not_whole(tmp_path: Path) -> None:
    first, rest = (one(values) for values in misleading("constant at first"))
    writer = StoreWriter(tmp_path / "s", MARK, TABLE, 5_000, "float16")
    writer.append(first)
    with pytest.raises(StoreError, match="must have 5,000 rows, got 100"):
        writer.finish()
    writer.append(rest)
    with pytest.raises(InputError, match=r"a float16 store must keep residual 0, got .*activations\.dtype=float32"):
        writer.finish()


def spoiled(tiny_bert: Path) -> FrozenTransformer:
    """A model with a neuron of layer 2 at about 2,000 deviations, as its last LayerNorm says."""
    model = FrozenTransformer(str(tiny_bert))
    norm = model.network.get_submodule("encoder.layer.1.output.LayerNorm")
    norm.bias.data[5] = 2_000.0
    return model


def module(corpus: ConlluCorpus, model: Any, folder: Path, dtype: str) -> ActivationsDataModule:
    data = ActivationsDataModule(corpus, WordProperty("upos"), model, str(folder), dtype)
    data.prepare_data()
    data.setup()
    return data


def test_extraction_shifts_what_a_model_needs(
    small_treebank: dict[str, str], tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "CHUNK_BYTES", 200 * 4 * 3 * 32)
    corpus = ConlluCorpus(**small_treebank)
    exact, ours = (module(corpus, spoiled(tiny_bert), tmp_path, dtype) for dtype in ("float32", "float16"))
    for name in ("train", "dev", "test"):
        assert index(ours._store(name))["shifted"]["residual-02"]["neurons"] == [5]
        one, other = (next(iter(data.split(name).blocks(10_000))).activations for data in (exact, ours))
        assert ((one - other).square().mean(0).sqrt() / one.std(0)).max() < LIMIT
    again = module(corpus, spoiled(tiny_bert), tmp_path, "float16")
    assert again.extracted == [], "a store with shifted neurons is read as it is"


def test_extraction_reads_twice_where_the_first_sentences_mislead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_treebank: dict[str, str]
) -> None:
    corpus, paths = ConlluCorpus(**small_treebank), []
    for name in ("train", "dev", "test"):
        folder = tmp_path / name
        folder.mkdir()
        sentences = list(corpus.sentences(name))
        (folder / "words.txt").write_text("".join(json.dumps(list(s.words)) + "\n" for s in sentences))
        n_words = sum(len(sentence.words) for sentence in sentences)
        values = np.random.default_rng(0).normal((1_000, 0), 0.1, (n_words, 2))
        values[: n_words // 2, 0] = 1_000
        np.save(folder / "residual-00.npy", values.astype(np.float32))
        paths.append(str(folder))
    monkeypatch.setattr(extraction, "CHUNK_BYTES", 50 * 4 * 2)
    data = module(corpus, PrecomputedActivations(paths), tmp_path / "store", "float16")
    for name in ("train", "dev", "test"):
        entry = index(data._store(name))["shifted"]["residual-00"]
        assert entry["neurons"] == [0] and entry["written_anew"] and entry["rounding_over_deviation"] < LIMIT
    with pytest.raises(InputError, match=r"must hold activations as they are, got a store with shifted neurons"):
        _ = PrecomputedActivations(str(data._store("dev"))).neurons
