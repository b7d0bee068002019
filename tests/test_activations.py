"""The store, the data module and the stream of batches."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from neuronprobe.activations import ActivationsDataModule, BatchStream, Split, Store, StoreError, extraction
from neuronprobe.activations.extraction import read_sentences
from neuronprobe.activations.store import StoreWriter
from neuronprobe.corpora import ConlluCorpus
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit, Member, score
from neuronprobe.properties import WordProperty
from tests.conftest import MakeSplit

TABLE = NeuronTable((Segment("residual", 0, 3), Segment("residual", 1, 2)))
MARK = {"model": "m", "forms": "f"}


def layers(n: int, start: int = 0) -> list[torch.Tensor]:
    rows = torch.arange(start, start + n, dtype=torch.float32)[:, None]
    return [rows + torch.tensor([0.0, 0.25, 0.5]), -rows + torch.tensor([0.0, 0.5])]


@pytest.fixture
def corpus(small_treebank: dict[str, str]) -> ConlluCorpus:
    return ConlluCorpus(**small_treebank)


def module(
    corpus: ConlluCorpus, model: Any, folder: Path, name: str = "upos", **settings: Any
) -> ActivationsDataModule:
    return ActivationsDataModule(corpus, WordProperty(name), model, str(folder), **settings)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", MARK, TABLE, 10, "float16")
    writer.append(layers(4))
    writer.append(layers(6, 4))
    writer.finish()
    store = Store(tmp_path / "s", MARK)
    assert store.neurons == TABLE and store.n_words == 10
    found = store.gather(torch.tensor([[7], [0]]))
    assert found.dtype == torch.float32
    assert found.tolist() == [[7.0, 7.25, 7.5, -7.0, -6.5], [0.0, 0.25, 0.5, 0.0, 0.5]]
    pair = store.gather(torch.tensor([[1, 2]]))
    assert pair.tolist() == [[1.0, 1.25, 1.5, -1.0, -0.5, 2.0, 2.25, 2.5, -2.0, -1.5]]


def test_what_is_held_is_in_memory_once_and_the_store_is_read_on(make_split: MakeSplit) -> None:
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("only Linux tells how many pages of files are in memory")

    def from_files() -> int:
        lines = status.read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(("RssFile", "RssShmem")))

    values = torch.randn(4096, 2048, generator=torch.Generator().manual_seed(0))
    split = make_split(values, torch.arange(4096) % 3, layers=2)
    before, few = from_files(), torch.tensor([7, 3, 4000])
    assert torch.equal(split.batch(few).activations, values[few])
    for _ in split.blocks():
        pass
    read = from_files()
    split.hold(1.0)
    assert read - before > 30_000 and from_files() - before < 10_000
    assert torch.equal(split.batch(few).activations, values[few])
    assert torch.equal(split.batch(torch.arange(50, 90)).activations, values[50:90])
    for file in split._store.folder.glob("*.npy"):  # type: ignore[union-attr]
        file.unlink()
    split._store.let_go()
    assert torch.equal(split.batch(few).activations, values[few])
    some = split.of(torch.tensor([9, 2000]))
    some.hold(1.0)
    assert torch.equal(some.batch(few).activations, values[few][:, [9, 2000]])


def test_a_killed_writer_goes_on_after_its_last_mark(tmp_path: Path) -> None:
    StoreWriter(tmp_path / "s", MARK, TABLE, 10, "float16").append(layers(4))
    with (tmp_path / "s.partial" / "residual-00.npy").open("ab") as file:
        file.write(b"half a row that was never marked")
    writer = StoreWriter(tmp_path / "s", MARK, TABLE, 10, "float16")
    assert writer.words_done == 4
    writer.append(layers(6, 4))
    writer.finish()
    assert Store(tmp_path / "s", MARK).gather(torch.arange(10)[:, None])[:, 0].tolist() == list(range(10))


@pytest.mark.parametrize("harm", ["other fingerprint", "short file", "no file"])
def test_a_partial_store_that_does_not_fit_starts_anew(harm: str, tmp_path: Path) -> None:
    StoreWriter(tmp_path / "s", MARK, TABLE, 10, "float16").append(layers(4))
    path = tmp_path / "s.partial" / "residual-01.npy"
    if harm == "short file":
        path.write_bytes(path.read_bytes()[:-1])
    elif harm == "no file":
        path.unlink()
    mark = {"model": "other"} if harm == "other fingerprint" else MARK
    assert StoreWriter(tmp_path / "s", mark, TABLE, 10, "float16").words_done == 0


def test_a_store_with_another_fingerprint_is_refused(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", MARK, TABLE, 4, "float16")
    writer.append(layers(4))
    writer.finish()
    with pytest.raises(StoreError, match="another fingerprint"):
        Store(tmp_path / "s", {"model": "other"})


def test_values_that_are_not_finite_name_their_layer(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", MARK, TABLE, 4, "float16")
    bad = layers(4)
    bad[1][2, 0] = float("nan")
    with pytest.raises(InputError, match="activations of layer 1 must be finite"):
        writer.append(bad)
    bad[1][2, 0] = 70_000.0
    with pytest.raises(
        InputError, match=r"below 65,504 for a float16 store, got 70,000; use activations\.dtype=float32"
    ):
        writer.append(bad)
    whole = StoreWriter(tmp_path / "t", MARK, TABLE, 4, "float32")
    whole.append(bad)


def test_the_second_run_extracts_nothing_even_for_another_property(
    corpus: ConlluCorpus, tiny_bert: Path, tmp_path: Path
) -> None:
    data = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path)
    data.prepare_data()
    assert data.extracted == ["train", "dev", "test"]
    model = FrozenTransformer(str(tiny_bert))
    again = module(corpus, model, tmp_path, name="xpos")
    again.prepare_data()
    again.setup()
    assert again.extracted == []
    assert "network" not in vars(model) and "tokenizer" not in vars(model), "a finished store needs no model"
    assert len(again.split("train").neurons) == 3 * 32


def test_of_two_jobs_that_need_a_store_one_writes_it(
    corpus: ConlluCorpus, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*arguments: Any) -> Any:
        time.sleep(0.2)
        return chunk(*arguments)

    chunk = FrozenTransformer.chunk
    monkeypatch.setattr(FrozenTransformer, "chunk", slowly)
    jobs = [module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda job: job.prepare_data(), jobs))
    assert sorted(jobs[0].extracted + jobs[1].extracted) == ["dev", "test", "train"]
    for job in jobs:
        job.setup()
    everything = torch.arange(len(jobs[0].split("train")))
    assert torch.equal(*(job.split("train").batch(everything).activations for job in jobs))


def test_another_dtype_is_another_store(corpus: ConlluCorpus, tiny_bert: Path, tmp_path: Path) -> None:
    for dtype in ("float16", "float32", "float16"):
        data = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path, dtype=dtype)
        data.prepare_data()
        data.setup()
    assert data.extracted == []
    assert len(list(tmp_path.glob("*/index.json"))) == 6


def test_the_store_holds_what_the_model_gives(corpus: ConlluCorpus, tiny_bert: Path, tmp_path: Path) -> None:
    model = FrozenTransformer(str(tiny_bert))
    data = module(corpus, model, tmp_path, dtype="float32")
    data.prepare_data()
    data.setup()
    sentences = list(corpus.sentences("dev"))
    expected = torch.cat(read_sentences(model, sentences, 64)[0], dim=1)
    split = data.split("dev")
    found = torch.cat([batch.activations for batch in split.blocks(50)])
    torch.testing.assert_close(found, expected[split.units.rows.flatten()], rtol=1e-5, atol=1e-6)
    words = [label for sentence in sentences for label in sentence.annotations["upos"]]
    assert [data.target.names[label] for label in split.units.labels] == words


def test_an_interrupted_extraction_goes_on(
    corpus: ConlluCorpus, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "CHUNK_BYTES", 200 * 4 * 3 * 32)  # of 3 layers x 32
    calls = []

    def read_and_fail(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return chunk(*arguments)

    chunk = FrozenTransformer.chunk
    monkeypatch.setattr(FrozenTransformer, "chunk", read_and_fail)
    with pytest.raises(KeyboardInterrupt):
        module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path / "a").prepare_data()
    data = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path / "a")
    data.prepare_data()
    data.setup()
    whole = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path / "b")
    whole.prepare_data()
    whole.setup()
    for name in ("train", "dev", "test"):
        one, other = (next(iter(d.split(name).blocks(10_000))).activations for d in (data, whole))
        assert torch.equal(one, other)


@pytest.mark.parametrize("harm", ["flip", "truncate", "index"])
def test_a_damaged_store_is_noticed_said_and_extracted_again(
    harm: str, corpus: ConlluCorpus, tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path).prepare_data()
    data = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path)
    folder = data._store("dev")
    path = folder / "residual-01.npy"
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[-5] ^= 1
        path.write_bytes(content)
    elif harm == "truncate":
        path.write_bytes(content[:-10])
    else:
        (folder / "index.json").write_text("{")
    data.prepare_data()
    assert data.extracted == ["dev"]
    assert "The store of dev is damaged" in caplog.text
    assert json.loads((folder / "index.json").read_text())["words"] == data.contents["dev"].n_words


def test_the_order_is_a_function_of_seed_and_epoch(planted: Split) -> None:
    def labels(**settings: int) -> list[int]:
        return torch.cat([batch.labels for batch in BatchStream(planted, 64, **settings)]).tolist()

    assert labels(seed=1, epoch=2) == labels(seed=1, epoch=2)
    assert len({tuple(labels(seed=s, epoch=e)) for s in (0, 1) for e in (0, 1)}) == 4
    assert labels() == planted.units.labels.tolist()
    assert sorted(labels(seed=1)) == sorted(planted.units.labels.tolist())


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_every_batch_without_overlap(planted: Split, world: int) -> None:
    whole = list(BatchStream(planted, 60, seed=1))
    parts = [list(BatchStream(planted, 60, seed=1, rank=rank, world=world)) for rank in range(world)]
    assert {len(part) for part in parts} == {len(whole)}
    for index, batch in enumerate(whole):
        shares = torch.cat([part[index].activations for part in parts])
        assert sum(part[index].share for part in parts) == pytest.approx(world)
        assert sorted(shares[:, 0].tolist()) == sorted(batch.activations[:, 0].tolist())
    assert len(BatchStream(planted, 64)) == len(list(BatchStream(planted, 64))) == 24


def test_dropped_words_are_no_units(
    small_treebank: dict[str, str], tiny_bert: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "dev.conllu"
    text = Path(small_treebank["dev"]).read_text()
    word = next(line for line in text.splitlines() if line.startswith("3\t")).split("\t")[1]
    path.write_text(text.replace(f"3\t{word}\t", "3\t\u200d\t", 1))
    model = FrozenTransformer(str(tiny_bert), no_subword="drop")
    data = module(ConlluCorpus(small_treebank["train"], str(path), small_treebank["test"]), model, tmp_path)
    data.prepare_data()
    data.setup()
    assert "dev: 1 words dropped" in caplog.text
    assert len(data.split("dev")) == len(data.contents["dev"].units) - 1 == len(data.units["dev"])
    assert 2 not in data.split("dev").units.rows


def test_a_store_beyond_the_memory_limit_is_shuffled_in_blocks() -> None:
    from neuronprobe.activations.split import BLOCK, BLOCKS_AT_A_TIME, shuffled_blocks

    n = BLOCK * BLOCKS_AT_A_TIME * 3 + 100
    order = shuffled_blocks(n, torch.Generator().manual_seed(0))
    assert order.sort().values.tolist() == list(range(n))
    assert not torch.equal(order, shuffled_blocks(n, torch.Generator().manual_seed(1)))
    handful = order[: BLOCK * BLOCKS_AT_A_TIME]
    assert len((handful // BLOCK).unique()) <= BLOCKS_AT_A_TIME + 1
    assert (handful.diff().abs() == 1).double().mean() < 0.01


def test_training_in_blocks_learns_the_same(planted: Split) -> None:
    torch.set_num_threads(1)
    fit = Fit(l1=1e-3, l2=0.0, epochs=6, batch_size=64, lr=0.01)
    whole = score(fit([Member(1e-3)], planted), planted).accuracy
    planted.fits_in_memory = False
    assert float(score(fit([Member(1e-3)], planted), planted).accuracy) == pytest.approx(float(whole), abs=0.01)


def test_a_disk_that_is_too_small_is_reported_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"activations\.folder must have 0\.00 GB free, got 0\.00 GB"):
        StoreWriter(tmp_path / "s", MARK, TABLE, 10, "float16")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_no_half_store(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", MARK, TABLE, 10, "float16")
    path = tmp_path / "s.partial" / "residual-01.npy"
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"must be writable to the end, got No space left on device"):
        writer.append(layers(4))
    assert list(tmp_path.iterdir()) == []


def test_a_property_without_labels_in_a_split_is_refused(
    small_treebank: dict[str, str], tiny_bert: Path, tmp_path: Path
) -> None:
    corpus = ConlluCorpus(**small_treebank)
    data = module(corpus, FrozenTransformer(str(tiny_bert)), tmp_path, name="deprel")
    with pytest.raises(InputError, match="property deprel must label at least one word of train, got none"):
        _ = data.target
