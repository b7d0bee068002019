"""A study from outside the package: named in a YAML, run in a job, its file and rows among the job's own."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from neuronprobe.errors import InputError
from neuronprobe.jobs.files import write_files
from neuronprobe.report.__main__ import main as report
from tests.test_train import Run, results, run  # noqa: F401 (a fixture)

STUDY = '''
"""How many of a minimal set's neurons lie in each half of the table."""

from neuronprobe.callbacks import StudyCallback
from neuronprobe.types import Result, Row, Table


class Halves(StudyCallback):
    name = "halves"
    needs = ("minimal_set",)

    def __init__(self, file="halves.txt", needs=("minimal_set",)):
        super().__init__()
        self.file, self.needs = file, tuple(needs)

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
        return Result(tuple(rows), tables=(shown,), files=left)
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
    assert table in page and "How low the minimal sets lie" in capsys.readouterr().out
    for name in ("report.md", "lambda_grid.png"):
        (tmp_path / "job" / name).unlink()
    monkeypatch.setattr(sys, "argv", ["report", str(tmp_path / "job")])
    assert report() == 0
    assert (tmp_path / "job" / "report.md").read_text(encoding="utf-8") == page
    assert (tmp_path / "job" / "lambda_grid.png").is_file()
    joined = list(csv.DictReader((tmp_path / "job" / "jobs.csv").open(encoding="utf-8")))
    assert [line["value"] for line in joined if line["study"] == "halves"] == [str(row["value"])]


@pytest.mark.parametrize(
    "name", ["../halves.txt", "sub/halves.txt", "/tmp/halves.txt", "..", "''", "results.json", "predictions.npz",
             "probe.safetensors", "report.md"]
)  # fmt: skip
def test_a_file_that_is_a_path_or_the_jobs_own_is_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    with pytest.raises(InputError, match="a study's file must have a name of its own in the job's folder, got"):
        write_files(folder, [{"" if name == "''" else name: b"1"}])
    assert list(folder.iterdir()) == [] and list(tmp_path.iterdir()) == [folder]


def test_two_studies_must_not_leave_the_same_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a name of its own in the job's folder, got 'ranking\.csv'"):
        write_files(tmp_path, [{"ranking.csv": b"1"}, {"halves.txt": b"2", "ranking.csv": b"3"}])
    assert list(tmp_path.iterdir()) == []
    write_files(tmp_path, [{"ranking.csv": b"1"}, {"halves.txt": b"2"}])
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
import torch

from neuronprobe.types import Ranking


def largest(evidence, power=1.0):
    score = evidence.probe_weights().abs().amax(0) ** power
    depth = torch.ones(evidence.train.n_labels, len(evidence.table))
    return Ranking("largest", score.argsort(descending=True), score, len(score), depth)
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
