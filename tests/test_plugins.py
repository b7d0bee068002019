"""What is plugged in from outside the package, by a YAML: each of the seven things, in a folder of its own."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from neuronprobe.errors import InputError
from neuronprobe.jobs import open_job
from neuronprobe.jobs.files import write_files
from neuronprobe.report.__main__ import main as report
from neuronprobe.shown import Figure
from neuronprobe.types import Result
from tests.test_train import Run, results, run  # noqa: F401 (a fixture)

STUDY = '''
"""How many of a minimal set's neurons lie in each half of the table."""

from neuronprobe.callbacks import StudyCallback
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.types import Result, Row


class Halves(StudyCallback):
    name = "halves"
    needs = ("minimal_set",)

    def __init__(self, file="halves.txt", needs=("minimal_set",), figure="halves"):
        super().__init__()
        self.file, self.needs, self.figure = file, tuple(needs), figure

    def study(self, trained, **results):
        assert set(results) == set(self.needs)
        rows, half = [], len(trained.table) // 2
        for minimum in results["minimal_set"].handed:
            low = float((minimum.probe.neurons < half).sum())
            flags = {"tolerance": minimum.tolerance, "found": [row.study for row in results["minimal_set"].rows][:1]}
            rows.append(Row("halves", "low_neurons", low, k=minimum.k, flags=flags, **trained.about()))
        shown = Table("How low the minimal sets lie", ("tolerance", "in the low half"), tuple(
            (f"{row.flags['tolerance']:g}", f"{row.value:.0f}") for row in rows))
        left = {self.file: b"halves of " + str(len(trained.table)).encode()}
        bars = Series("low", tuple(row.flags["tolerance"] for row in rows), tuple(row.value for row in rows))
        figure = Figure(self.figure, "How low they lie", "tolerance", "neurons in the low half", (bars,))
        said = ("half of the table is low.",)
        return Result(tuple(rows), tables=(shown,), figures=(figure,), remarks=said, files=left)
'''


@pytest.fixture
def outside(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:  # noqa: F811
    """Runs a job whose callbacks are those of a YAML of one's own: the study first, then what it needs."""
    (tmp_path / "halves_study.py").write_text(STUDY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "conf" / "callbacks").mkdir(parents=True)
    yaml = """\
        halves:
          _target_: halves_study.Halves
        minimal_set:
          _target_: neuronprobe.callbacks.MinimalSet
          tolerances: [0.9]
          draws: 1
        """
    (tmp_path / "conf" / "callbacks" / "mine.yaml").write_text(dedent(yaml), encoding="utf-8")
    left_out = {
        f"callbacks__{study}__{setting}": None for study in ("ablation", "retraining") for setting in ("sizes", "draws")
    }
    own = {"callbacks": "mine", "probe__epochs": 1, "allow_targets": "[halves_study.]", **left_out}

    def outside(**overrides: object) -> int:
        return run("--config-dir", str(tmp_path / "conf"), **{**own, **overrides})

    return outside


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    (said,) = [line for line in capsys.readouterr().err.strip().splitlines() if "optimizer steps" not in line]
    return said


def test_a_study_from_outside_runs_in_a_job_behind_what_it_needs(outside: Run, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "ranking_ridge.csv").write_text("of an earlier job", encoding="utf-8")
    assert outside() == 0
    found = results(tmp_path / "job")
    assert not list((tmp_path / "job").glob("ranking*"))
    assert (tmp_path / "job" / "halves.txt").read_bytes() == b"halves of 96"
    (row,) = [row for row in found["rows"] if row["study"] == "halves"]
    (minimum,) = [row for row in found["rows"] if (row["study"], row["metric"]) == ("minimal_set", "neurons")]
    assert (row["metric"], row["k"], row["tolerance"]) == ("low_neurons", minimum["k"], 0.9)
    assert 0 <= row["value"] <= row["k"] and row["l1"] == minimum["l1"] and row["found"] == ["minimal_set"]
    assert list(found["config"]["callbacks"])[:2] == ["halves", "minimal_set"]
    assert {"halves", "minimal_set"} <= set(found["seconds"])
    order = [row["study"] for row in found["rows"]]
    assert order.index("minimal_set") < order.index("halves")


def test_what_a_study_from_outside_shows_is_on_page_and_screen_and_in_the_joined_rows(
    outside: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outside() == 0
    (row,) = [row for row in results(tmp_path / "job")["rows"] if row["study"] == "halves"]
    page = (tmp_path / "job" / "report.md").read_text(encoding="utf-8")
    table = (
        f"## How low the minimal sets lie\n\n| tolerance | in the low half |\n|---|---|\n| 0.9 | {row['value']:.0f} |"
    )
    shown = capsys.readouterr().out
    assert table in page and "How low the minimal sets lie" in shown and "half of the table is low." in shown
    assert "![How low they lie](halves.png)" in page and "Half of the table is low.\n" in page
    pictures = {path.name for path in (tmp_path / "job").glob("*.png")}
    assert {"halves.png", "lambda_grid.png", "minimal_set_lca.png"} <= pictures
    for name in ("report.md", *pictures):
        (tmp_path / "job" / name).unlink()
    monkeypatch.setattr(sys, "argv", ["report", str(tmp_path / "job")])
    assert report() == 0
    assert (tmp_path / "job" / "report.md").read_text(encoding="utf-8") == page
    assert {path.name for path in (tmp_path / "job").glob("*.png")} == pictures
    (figure,) = [one for one in open_job(tmp_path / "job").figures if one.name == "halves"]
    assert (figure.series[0].x, figure.series[0].y) == ((0.9,), (row["value"],))
    joined = list(csv.DictReader((tmp_path / "job" / "rows.csv").open(encoding="utf-8")))
    assert [line["value"] for line in joined if line["study"] == "halves"] == [str(row["value"])]


def test_a_job_from_before_studies_kept_their_tables_is_rendered_with_what_it_has(
    outside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outside() == 0
    path = tmp_path / "job" / "results.json"
    found = {k: v for k, v in results(tmp_path / "job").items() if k not in ("figures", "remarks")}
    found["tables"] = [{"heading": "Own", "header": ["a"], "body": [["1"]]}]
    path.write_text(json.dumps(found), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["report", str(tmp_path / "job")])
    assert report() == 0
    page = (tmp_path / "job" / "report.md").read_text(encoding="utf-8")
    assert found["verdict"] in page and "written before studies kept their tables" in page
    assert "## Own\n\n| a |\n|---|\n| 1 |" in page and ".png" not in page


@pytest.mark.parametrize(
    "broken",
    [
        {"figures": [{"name": "../x", "title": "", "x": "", "y": "", "series": []}]},
        {"figures": [{"name": "x", "title": "", "x": "", "y": "", "series": [{"name": "a", "x": [1], "y": []}]}]},
        {"figures": ["x"]},
        {"tables": [{"heading": "x"}]},
    ],
)
def test_tables_and_figures_that_are_none_are_refused(broken: dict[str, object], tmp_path: Path) -> None:
    about = {"schema": 1, "status": "ok", "config": {}, "rows": []}
    (tmp_path / "results.json").write_text(json.dumps(about | broken), encoding="utf-8")
    with pytest.raises(InputError, match=r"results\.json must have tables and figures of studies, got others: "):
        _ = open_job(tmp_path).tables


@pytest.mark.parametrize(
    "name", ["../halves.txt", "sub/halves.txt", "/tmp/halves.txt", "..", "''", "results.json", "predictions.npz",
             "probe.safetensors", "report.md"]
)  # fmt: skip
def test_a_file_that_is_a_path_or_the_jobs_own_is_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    with pytest.raises(InputError, match="a study's file must have a name of its own in the job's folder, got"):
        write_files(folder, [Result((), files={"" if name == "''" else name: b"1"})])
    assert list(folder.iterdir()) == [] and list(tmp_path.iterdir()) == [folder]


def studies(*files: dict[str, bytes]) -> list[Result]:
    return [Result((), files=own) for own in files]


def test_two_studies_must_not_leave_the_same_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a name of its own in the job's folder, got 'ranking\.csv'"):
        write_files(tmp_path, studies({"ranking.csv": b"1"}, {"halves.txt": b"2", "ranking.csv": b"3"}))
    drawn = Result((), figures=(Figure("halves", "", "", "", ()),))
    with pytest.raises(InputError, match=r"a name of its own in the job's folder, got 'halves\.png'"):
        write_files(tmp_path, [*studies({"halves.png": b"1"}), drawn])
    with pytest.raises(InputError, match=r"a name of its own in the job's folder, got 'halves\.png'"):
        write_files(tmp_path, [drawn, drawn])
    assert list(tmp_path.iterdir()) == []
    write_files(tmp_path, studies({"ranking.csv": b"1"}, {"halves.txt": b"2"}))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"ranking.csv": b"1", "halves.txt": b"2"}


@pytest.mark.parametrize("name", ["../halves.txt", "results.json"])
def test_a_job_with_such_a_file_ends_in_one_line(
    name: str, outside: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert outside(**{"+callbacks__halves__file": name}) == 1
    said = f"a study's file must have a name of its own in the job's folder, got '{name}'."
    assert one_line(capsys) == f"error: {said}"
    assert not (tmp_path / "halves.txt").exists()
    found = json.loads((tmp_path / "job" / "results.json").read_text())
    assert (found["status"], found["error"]) == ("failed", f"InputError: {said}")


def test_a_figure_whose_name_is_a_path_ends_the_job_in_one_line(
    outside: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outside(**{"+callbacks__halves__figure": "../halves"}) == 1
    said = "the name of a figure must be that of a file, without folder and ending, got '../halves'."
    assert one_line(capsys) == f"error: {said}"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"allow_targets": "[]"}, "_target_ in callbacks must begin with neuronprobe. or pytorch_lightning., "
                                  "got 'halves_study.Halves'"),
        ({"callbacks__minimal_set": "null"}, "callbacks must hold minimal_set for halves, got none; add it."),
        ({"+callbacks__halves__needs": "[halves]"}, "callbacks must not need each other in a circle"),
    ],
)  # fmt: skip
def test_what_a_study_from_outside_lacks_is_said_before_the_work(
    overrides: dict[str, str], said: str, outside: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outside(**overrides) == 1
    assert one_line(capsys).startswith(f"error: {said}")
    assert not (tmp_path / "store").exists()


RANKING = """
from neuronprobe.types import Ranking


def largest(evidence, power=1.0):
    return Ranking.from_scores("largest", evidence.probe_weights().abs().amax(0) ** power, evidence.seed)
"""


def test_a_ranking_from_outside_stands_beside_lca(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "largest_ranking.py").write_text(RANKING, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "conf" / "ranking").mkdir(parents=True)
    body = "_target_: largest_ranking.largest\n_partial_: true\n"
    (tmp_path / "conf" / "ranking" / "largest.yaml").write_text(f"# @package ranking.largest\n{body}", encoding="utf-8")
    (tmp_path / "conf" / "ranking" / "forgot.yaml").write_text(body, encoding="utf-8")
    own = {"probe__epochs": 1, "allow_targets": "[largest_ranking.]"}
    assert run("--config-dir", str(tmp_path / "conf"), ranking="[lca,largest]", **own) == 0
    rows = results(tmp_path / "job")["rows"]
    assert {row["ranking"] for row in rows if row["study"] == "ablation"} == {"lca", "largest"}
    assert {row["metric"] for row in rows if row["ranking"] == "largest" and row.get("rank")} == {"score"}
    assert "top by largest" in (tmp_path / "job" / "report.md").read_text(encoding="utf-8")
    assert (tmp_path / "job" / "ranking_largest.csv").is_file()
    capsys.readouterr()
    assert run("--config-dir", str(tmp_path / "conf"), ranking="[lca,forgot]", **own) != 0
    assert "begin it with `# @package ranking.NAME`" in capsys.readouterr().err


PLUGINS = """
import torch
from pytorch_lightning import Callback

from neuronprobe.models.source import Chunk
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit
from neuronprobe.types import Sentence, Unit


class Slashes:
    # Lines of word/number words.
    name = "slashes"

    def __init__(self, folder):
        self.folder = folder

    def sentences(self, split):
        with open(f"{self.folder}/{split}.txt", encoding="utf-8") as lines:
            for i, line in enumerate(lines):
                words, marks = zip(*(pair.split("/") for pair in line.split()), strict=True)
                yield Sentence(f"{split}-{i}", words, {"mark": marks})


class Parity:
    name, level, roles = "parity", "word", (None,)

    def units(self, sentences):
        row = 0
        for i, sentence in enumerate(sentences):
            for word, mark in zip(sentence.words, sentence.annotations["mark"], strict=True):
                yield Unit((row,), "even" if int(mark) % 2 == 0 else "odd", word, i)
                row += 1


class Letters:
    # One neuron for each letter of the alphabet: is it in the word?
    title, level = "letters", "word"
    neurons = NeuronTable((Segment("letters", 0, 26),))
    fingerprint = {"letters": 26}

    def tokenise(self, sentences):
        return None

    def chunk(self, sentences, prepared, budget):
        words = [word for sentence in sentences for word in sentence.words]
        return Chunk([torch.tensor([[float(chr(97 + i) in word) for i in range(26)] for word in words])], [], 0)


class Patient(Fit):
    def related(self, train, recommended=None):
        self.seen = len(train)
        return super().related(train, 7)


class Epochs(Callback):
    def __init__(self, file):
        self.file = file

    def on_train_epoch_end(self, trainer, pl_module):
        with open(self.file, "a", encoding="utf-8") as log:
            log.write(f"{trainer.current_epoch}\\n")
"""
YAMLS = {
    "corpus": "_target_: mine.Slashes\nfolder: ???\n",
    "property": "_target_: mine.Parity\n",
    "model": "_target_: mine.Letters\n",
    "probe": "_target_: mine.Patient\nl1: [0.0, 1e-3]\nl2: 0.0\nepochs: 2\nlr: 0.05\nbatch_size: auto\n",
    "callbacks": "ranking: {_target_: neuronprobe.callbacks.NeuronRanking}\nepochs: {_target_: mine.Epochs, file: x}\n",
}


@pytest.fixture
def plugged(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:  # noqa: F811
    """Runs a job all of whose parts come from a folder outside: module `mine` and a YAML in each group."""
    (tmp_path / "mine.py").write_text(PLUGINS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    for group, text in YAMLS.items():
        (tmp_path / "conf" / group).mkdir(parents=True)
        (tmp_path / "conf" / group / "mine.yaml").write_text(text, encoding="utf-8")
    for split, n in (("train", 40), ("dev", 8), ("test", 8)):
        lines = [" ".join(f"{'ab'[i % 2]}{'xyz'[j]}{'q' * (i % 3)}/{i}" for j in range(3)) for i in range(n)]
        (tmp_path / f"{split}.txt").write_text("\n".join(lines), encoding="utf-8")
    unset = [f"corpus__{split}" for split in ("train", "dev", "test")] + ["model__name", "probe__batch_size"]
    unset += [
        f"callbacks__{study}__{setting}" for study in ("ablation", "retraining") for setting in ("sizes", "draws")
    ]
    unset += ["probe__epochs", "probe__l1", "probe__l2"]
    own: dict[str, Any] = {**dict.fromkeys(unset), **dict.fromkeys(YAMLS, "mine"), "allow_targets": "[mine.]"}
    own |= {"corpus__folder": tmp_path, "callbacks__epochs__file": tmp_path / "epochs.txt"}
    return lambda **overrides: run("--config-dir", str(tmp_path / "conf"), **{**own, **overrides})


def test_corpus_property_model_probe_and_callback_from_outside_make_a_job(plugged: Run, tmp_path: Path) -> None:
    assert plugged() == 0
    found = results(tmp_path / "job")
    assert found["title"] == "parity in slashes: letters"
    counted = {
        row["metric"]: row["value"] for row in found["rows"] if row["study"] == "corpus" and row["split"] == "train"
    }
    assert (counted["sentences"], counted["units"], counted["labels"]) == (40, 120, 2)
    (steps,) = [row for row in found["rows"] if row["metric"] == "optimizer_steps"]
    assert (steps["batch_size"], steps["value"]) == (7, 2 * -(-120 // 7)), "the probe's own batch size"
    with (tmp_path / "job" / "ranking.csv").open(encoding="utf-8") as file:
        first = [int(row["neuron"]) for row in csv.DictReader(file)][:2]
    assert set(first) <= {0, 1}, "the letters a and b tell odd from even"
    assert (tmp_path / "epochs.txt").read_text(encoding="utf-8") == "0\n1\n"


def test_a_model_is_two_lines(run: Run, tiny_bert: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text(f"defaults: [hf]\nname: {tiny_bert}\n", encoding="utf-8")
    own = {"model": "mine", "model__name": None, "probe__epochs": 1}
    assert run("--config-dir", str(tmp_path / "conf"), **own) == 0
    assert results(tmp_path / "job")["config"]["model"]["name"] == str(tiny_bert)


@pytest.mark.parametrize(
    ("group", "was", "now", "said"),
    [
        ("corpus", 'name = "slashes"', "", "corpus must have name, sentences, got Slashes without name; add"),
        ("property", 'name, level, roles = "parity", "word", (None,)', "",
         "property must have name, level, roles, units, got Parity without name, level, roles; add"),
        ("model", 'title, level = "letters", "word"', "",
         "model must have title, fingerprint, neurons, level, tokenise, chunk, got Letters without title, level; add"),
        ("probe", "class Patient(Fit):", "class Patient:\n    def __init__(self, **settings):\n        pass\n",
         "probe must be a Fit, got Patient; choose probe=adam"),
        ("callbacks", "class Epochs(Callback):", "class Epochs:", "callbacks must be Lightning callbacks, got epochs"),
    ],
)  # fmt: skip
def test_what_a_plugin_lacks_is_said_of_its_group_all_at_once(
    group: str, was: str, now: str, said: str, plugged: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "mine.py"
    module.write_text(module.read_text(encoding="utf-8").replace(was, now), encoding="utf-8")
    capsys.readouterr()
    assert plugged() == 1
    assert one_line(capsys).startswith(f"error: {said}")
    assert not (tmp_path / "store").exists()


def test_a_yaml_without_a_target_is_said_of_its_group(
    plugged: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("default: [hf]\nname: somewhere\n", encoding="utf-8")
    capsys.readouterr()
    assert plugged() == 1
    assert one_line(capsys).startswith("error: model must have a _target_, got a YAML of default, name; name the class")
