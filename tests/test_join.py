"""The join of jobs: what varied, means over seeds, failed and missing jobs, all formats; read from written folders."""

from __future__ import annotations

import csv
import json
import re
import shutil
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from neuronprobe.command import ended
from neuronprobe.jobs.files import assemble, write_results
from neuronprobe.report.__main__ import main
from neuronprobe.report.figures import library
from neuronprobe.report.jobs import JoinedJob
from neuronprobe.report.join import _averaged, _mean_row, join
from neuronprobe.types import Row

UNITS = np.random.default_rng(0).integers(1, 12, 150).astype(np.int64)
Make = Callable[..., Path]
MODELS = ("bert", "/models/xlnet-large")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a job's folder as a sweep leaves it: overrides, results, predictions."""

    def make(name: str, words: dict[str, str], rate: float = 0.9, status: str = "ok", **about: Any) -> Path:
        folder = tmp_path / name
        (folder / ".hydra").mkdir(parents=True)
        (folder / ".hydra" / "config.yaml").write_text(json.dumps(words))
        (folder / ".hydra" / "overrides.yaml").write_text(json.dumps([f"{k}={v}" for k, v in words.items()]))
        config = {
            "seed": int(words.get("seed", 0)),
            "model": {"name": words.get("model", "bert")},
            "metric": "accuracy",
        }
        config |= {"property": {"name": words.get("property", "xpos")}, **about.pop("config", {})}
        rows = [] if status == "failed" else headline(rate)
        write_results(folder, assemble(status, config, rows, **about))
        correct = np.random.default_rng(int(words.get("seed", 0))).binomial(UNITS, rate)
        np.savez_compressed(folder / "predictions.npz", units=UNITS, oracle=correct)
        return folder

    return make


def headline(rate: float) -> list[Row]:
    about = {"split": "test", "k": 100, "share": 1.0, "solver": "adam", "l1": 1e-3, "l2": 0.0}
    kept = {"study": "ablation", "split": "test", "k": 10, "ranking": "lca", "share": 0.1, "flags": {"fill": "zero"}}
    return [
        Row("oracle", "accuracy", rate, set="all", **about),
        Row("oracle", "f1", 0.1, set="all", label="X", **about),
        Row(metric="accuracy", value=rate - 0.1, set="top", **kept),
        Row(metric="mean_accuracy", value=0.5, set="random", **kept),
    ]


@pytest.fixture
def sweep(make: Make, tmp_path: Path) -> Path:
    """Two models x two properties x three seeds: one job failed, one was planned and left nothing."""
    number = 0
    for model in MODELS:
        for prop, rate in (("xpos", 0.9), ("chunk", 0.8)):
            for seed in range(3):
                words = {"model": model, "property": prop, "seed": str(seed), "probe.lr": "0.01"}
                own = {"status": "failed", "error": "InputError: probe.lr must be small."} if number == 4 else {}
                make(str(number), words, rate + seed / 100 - (0.1 if model == "bert" else 0), **own)
                number += 1
    (tmp_path / "sweep.json").write_text(json.dumps({"12": ["model=bert", "property=sem", "seed=0"]}))
    return tmp_path


def test_rows_are_what_varied_with_means_over_seeds(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert join([sweep], Console(width=80)) == []
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]
    deviation = statistics.stdev([80.0, 81.0, 82.0])
    assert ["bert", "xpos", "3", f"81.0 ±{deviation:.1f}", f"71.0 ±{deviation:.1f}", "50.0 ±0.0"] in cells
    assert ["bert", "chunk", "2 of 3", f"71.0 ±{statistics.stdev([70, 72]):.1f}"] == cells[1][:4]
    assert any(row[:2] == ["xlnet-large", "chunk"] and row[3].startswith("81.0") for row in cells)
    assert "lr" not in shown.split("Not in the table")[0], "what all jobs share is no column"
    *tables, _, link = shown.splitlines()
    assert "…" not in shown and max(map(len, tables)) <= 80
    assert link == f"report: {(sweep / 'jobs.html').as_uri()}"
    missing = shown.split("Not in the table")[1]
    assert "probe.lr must" in missing and "failed" in missing and "missing" in missing and "property=sem" in missing


def test_differences_are_paired_over_sentences_and_seeds(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    join([sweep], Console(width=200))
    shown = capsys.readouterr().out.split("Difference from model=bert property=xpos, points")[1]
    (line,) = (line for line in shown.splitlines() if "xlnet-large" in line and "xpos" in line)
    value, low, high = map(float, re.findall(r"[+-][\d.]+", line)[:3])
    scores = [
        [np.random.default_rng(seed).binomial(UNITS, rate + seed / 100).sum() / UNITS.sum() for seed in range(3)]
        for rate in (0.9, 0.8)
    ]
    assert value == pytest.approx(100 * (np.mean(scores[0]) - np.mean(scores[1])), abs=0.06) and low < value < high


def test_jobs_csv_has_a_line_for_each_job_and_rows_csv_all_rows(sweep: Path) -> None:
    join([sweep], Console())
    jobs = list(csv.DictReader((sweep / "jobs.csv").open()))
    assert len(jobs) == 13 and [job["status"] for job in jobs].count("ok") == 11
    wanted = {
        "job",
        "model",
        "property",
        "corpus",
        "seed",
        "l1",
        "l2",
        "ranking",
        "oracle",
        "top 10%",
        "status",
        "error",
    }
    assert wanted <= set(jobs[0])
    by_name = {job["job"]: job for job in jobs}
    assert (by_name["5"]["model"], by_name["5"]["property"], by_name["5"]["seed"]) == ("bert", "chunk", "2")
    assert float(by_name["0"]["oracle"]) == pytest.approx(0.8) and by_name["0"]["l1"] == "0.001"
    assert by_name["4"]["error"] == "InputError: probe.lr must be small." and by_name["12"]["status"] == "missing"
    rows = list(csv.DictReader((sweep / "rows.csv").open()))
    assert len(rows) == 4 * 11 and {row["job"] for row in rows} == set(by_name) - {"4", "12"}


def test_the_tables_are_markdown_latex_and_html(sweep: Path) -> None:
    join([sweep], Console())
    page, tex, whole = ((sweep / f"jobs.{ending}").read_text(encoding="utf-8") for ending in ("md", "tex", "html"))
    html = whole.replace(library(), "")
    assert "| bert | xpos | 3 | 81.0 ±1.0 | 71.0 ±1.0 | 50.0 ±0.0 |" in page
    assert r"bert & xpos & 3 & 81.0 $\pm$1.0" in tex and r"top 10\%" in tex
    assert tex.count(r"\begin{table}") == tex.count(r"\end{table}") == tex.count(r"\toprule") == page.count("\n## ")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html)
    assert cells[cells.index("bert") :][:6] == ["bert", "xpos", "3", "81.0 ±1.0", "71.0 ±1.0", "50.0 ±0.0"]


ODD = ("[0.0,0.001]", r"a_b%c&d#e~f^g\h{i}$j", "*λ2 ≥ 1 – Größe → <x>|y…", '"µ" × ² ‡ − ±')
"""Values with what LaTeX takes for its own, first in their line too."""


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_and_shows_what_it_was_given(sweep: Path, make: Make) -> None:
    for i, value in enumerate(ODD):
        make(f"odd_{i}", {"a.first": value, "seed": "0"}, 0.9)
    make("odd_failed", {"a.first": "x", "seed": "0"}, status="failed", error="InputError: a_b must be 50 %, got #1.")
    join([sweep], Console(quiet=True))
    packages = r"\usepackage{booktabs}\usepackage[margin=1cm,landscape]{geometry}"
    whole = rf"\documentclass{{article}}{packages}\begin{{document}}\input{{jobs.tex}}\end{{document}}"
    (sweep / "whole.tex").write_text(whole)
    run = subprocess.run(["pdflatex", "-halt-on-error", "whole.tex"], cwd=sweep, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:]
    if shutil.which("pdftotext") is None:
        pytest.skip("its text is read by pdftotext, which is not installed")
    text = subprocess.run(["pdftotext", "-layout", "whole.pdf", "-"], cwd=sweep, capture_output=True, text=True).stdout
    for said in ("[0.0,0.001]", "b%c&d#e", "{i}$j", "λ2", "1 – Gr", "<x>|y", "50 %, got #1."):
        assert said in text, said


def test_jobs_that_differ_in_nothing_are_told_apart_by_their_folders(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make("first", {"seed": "0"}, 0.9)
    make("second", {"seed": "0"}, 0.7)
    join([tmp_path], Console(width=80))
    shown = capsys.readouterr().out
    assert re.search(r"first +│ 1 +│ 90\.0", shown) and re.search(r"second +│ 1 +│ 70\.0", shown)


def test_debug_jobs_are_not_averaged(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make("0", {"seed": "0"}, 0.9)
    make("1", {"seed": "1"}, 0.1, status="debug")
    join([tmp_path], Console(width=80))
    assert "1 of 2" in (shown := capsys.readouterr().out) and "90.0" in shown and "debug job" in shown


def test_the_papers_figures_stand_beside_the_means(make: Make, tmp_path: Path) -> None:
    for seed, rate in enumerate((0.90, 0.92)):
        make(str(seed), {"seed": str(seed)}, rate, config={"paper": "emnlp2020_table1"})
    join([tmp_path], Console())
    line = next(line for line in (tmp_path / "jobs.md").read_text().splitlines() if line.startswith("| oracle: all"))
    assert line.split(" | ")[1] == "91.0" and "96.0" in line


def test_a_job_of_macro_f1_has_differences_of_accuracy_and_says_so(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, model in enumerate(MODELS):
        make(str(i), {"model": model, "seed": "0"}, 0.8 + i / 10, config={"metric": "macro_f1"})
    join([tmp_path], Console(width=200))
    assert "Difference from model=bert, points of accuracy [95 %]" in " ".join(capsys.readouterr().out.split())


def test_the_minimal_set_of_a_job_is_that_of_its_first_tolerance() -> None:
    def job(*found: int | None) -> JoinedJob:
        rows = [Row("minimal_set", "neurons", k and float(k), k=k, ranking="lca") for k in found]
        return JoinedJob("0", Path(), {}, {"rows": [row.as_dict() for row in rows], "config": {"metric": "accuracy"}})

    assert [job(*found).headline["minimal set"] for found in ((40, 20), (None, 20))] == [40, None]


def test_minimal_sets_are_averaged_whatever_their_size() -> None:
    about = {"study": "minimal_set", "metric": "neurons", "tolerance": 0.01}
    rows = [{**about, "value": float(k), "k": k, "share": k / 100} for k in (40, 80)]
    assert _mean_row(rows[0], rows)["value"] == 60 and _mean_row(rows[0], rows)["share"] == pytest.approx(0.6)
    none = {**about, "value": None, "k": None, "share": None}
    assert _mean_row(rows[0], [rows[0], none])["value"] is None
    jobs = [SimpleNamespace(rows=[row]) for row in rows]
    (averaged,) = _averaged(SimpleNamespace(good=jobs))  # type: ignore[arg-type]
    assert averaged["value"] == 60


@pytest.mark.parametrize("broken", ["{", "[]", json.dumps({"schema": 2, "status": "ok", "config": {}, "rows": []})])
def test_a_broken_file_is_named_and_left_out(
    broken: str, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make("good", {"seed": "0"})
    bad = make("bad", {"seed": "1"})
    (bad / "results.json").write_text(broken)
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path)])
    assert main() == 2
    said = capsys.readouterr()
    assert said.err.count("error: ") == 1 and "bad/results.json must" in said.err and "Left out." in said.err
    assert "90.0" in said.out and [job["job"] for job in csv.DictReader((tmp_path / "jobs.csv").open())] == ["good"]


def test_a_folder_that_can_not_be_written_is_named(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make("good", {"seed": "0"})
    (tmp_path / "jobs.csv").mkdir()
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path)])
    assert ended(main) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: {tmp_path / 'jobs.csv'} must be a file in a folder that can be written, got")


def test_several_folders_are_joined_into_the_first(make: Make, tmp_path: Path) -> None:
    for sweep, seed in (("one", "0"), ("two", "1")):
        make(f"{sweep}/0", {"seed": seed})
    join([tmp_path / "one", tmp_path / "two"], Console())
    jobs = list(csv.DictReader((tmp_path / "one" / "jobs.csv").open()))
    assert [Path(job["job"]).parent.name for job in jobs] == ["one", "two"]
