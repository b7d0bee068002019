"""A look at the folder of stores."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from neuronprobe.activations.store import StoreWriter
from neuronprobe.activations.stores import entries
from neuronprobe.corpora import ConlluCorpus
from neuronprobe.models import FrozenTransformer
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.store import main
from tests.sources import module


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
    shown = " ".join(capsys.readouterr().out.split())
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
