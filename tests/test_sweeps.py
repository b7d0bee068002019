"""Sweeps as users run them: jobs that fail among good ones, sweeps that go on, plug-ins that are there or not."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import pickle
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from safetensors.torch import load_file, save_file

from neuronprobe.build import debugging
from neuronprobe.command import Failure
from neuronprobe.extract import run as extraction
from neuronprobe.jobs.files import assemble, write_results
from neuronprobe.jobs.pace import Pace, watched
from neuronprobe.words import for_hydra
from tests.test_train import ROOT, Run, results, run  # noqa: F401 (a fixture)

FEW = {f"callbacks__{name}__{key}": None for name in ("ablation", "retraining") for key in ("sizes", "draws")}
FEW |= {"callbacks": "none"}
"""No studies."""


def plug_in(package: str) -> None:
    if importlib.util.find_spec(f"hydra_plugins.hydra_{package}") is None:
        pytest.skip(f"hydra_{package} is not installed; it comes with an extra")


@pytest.fixture
def sweep(run: Run, tmp_path: Path) -> Any:  # noqa: F811
    """Runs a multirun of small jobs into one folder."""

    def sweep(*words: str, **overrides: Any) -> int:
        small = {"probe__epochs": 1, "hydra__run__dir": None, **FEW}
        return run("-m", f"hydra.sweep.dir={tmp_path / 'sweep'}", *words, **{**small, **overrides})

    return sweep


def folders(sweep: Path) -> dict[str, str]:
    return {path.parent.name: json.loads(path.read_text())["status"] for path in sweep.glob("*/results.json")}


def test_failed_jobs_of_a_sweep_are_told_and_all_batches_run(
    sweep: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("+hydra.sweeper.max_batch_size=1", probe__lr="-1,0.01", seed="0,1") == 1
    assert folders(tmp_path / "sweep") == {"0": "failed", "1": "failed", "2": "ok", "3": "ok"}
    said = capsys.readouterr()
    (line,) = (line for line in said.out.splitlines() if line.startswith("2 ok, 2 failed: "))
    assert "0 probe.lr=-1 seed=0: probe.lr must be a number" in line and "model.name" not in line
    assert line.endswith(f"; python -m neuronprobe.report {tmp_path / 'sweep'}")
    assert said.err.count("error: ") == 2


def test_a_sweep_goes_on_with_what_is_missing_failed_or_changed(
    sweep: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    assert sweep(seed="0,1", probe__lr="-1,0.01") == 1
    written = {name: (folder / name / "results.json").stat().st_mtime_ns for name in "0123"}
    capsys.readouterr()
    assert sweep(seed="2,1,0", probe__lr="0.01") == 0
    said = capsys.readouterr().out
    assert "2 jobs already finished, skipped" in said and "3 ok; " in said
    again = {name: (folder / name / "results.json").stat().st_mtime_ns for name in "0123"}
    assert again == written, "numbers shifted; what is there stays"
    assert results(folder / "4")["config"]["seed"] == 2
    assert sweep(seed="0,1", probe__lr="-1,0.01") == 1
    failed = {name: (folder / name / "results.json").stat().st_mtime_ns != written[name] for name in "0123"}
    assert failed == {"0": True, "1": False, "2": True, "3": False}, "failed jobs run again, in their folders"
    assert folders(folder).keys() == set("01234")
    old = results(folder / "1")
    (folder / "1" / "results.json").write_text(json.dumps(old | {"git": "another commit"}))
    assert sweep(seed="0,1", probe__lr="0.01") == 0
    assert "1 jobs already finished, skipped" in capsys.readouterr().out
    assert results(folder / "1")["git"] == old["git"]


def test_a_job_runs_again_where_a_file_that_it_read_has_changed(
    sweep: Any, tmp_path: Path, small_treebank: dict[str, str], tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, texts = tmp_path / "model", tmp_path / "texts"
    shutil.copytree(tiny_bert, model)
    texts.mkdir()
    for split, path in small_treebank.items():
        shutil.copy(path, texts / f"{split}.conllu")
    own = {f"corpus__{split}": texts / f"{split}.conllu" for split in small_treebank}
    own |= {"corpus__test": f"'{texts}/te*.conllu'", "model__name": model, "seed": "0"}

    def changed() -> list[str]:
        """The files that are said to have changed when the sweep is run."""
        capsys.readouterr()
        assert sweep(**own) == 0
        said = capsys.readouterr().out
        found = re.search(r"0 runs again: (.*) changed since", said)
        assert ("1 jobs already finished, skipped" in said) == (found is None)
        return found[1].split(", ") if found else []

    assert sweep(**own) == 0
    os.utime(texts / "dev.conllu")
    assert changed() == [], "another time, the same content"
    text = (texts / "test.conllu").read_text()
    (texts / "test.conllu").write_text(text.replace("\tNOUN\t", "\tVERB\t", 1))  # a label: activations stay
    weights = load_file(model / "model.safetensors")
    save_file({name: value + 0.25 for name, value in weights.items()}, model / "model.safetensors", {"format": "pt"})
    assert changed() == [str(model / "model.safetensors"), str(texts / "test.conllu")]
    assert changed() == []
    (texts / "te2.conllu").write_text(text)
    assert changed() == [str(texts / "te2.conllu")]


@pytest.mark.parametrize("words", [("property=upos,foo",), ("seed=0,1", "model=hf,brt"), ("probe.l3=1,2",)])
def test_a_choice_that_can_not_be_composed_is_refused_before_the_first_job(
    words: tuple[str, ...], sweep: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"model": None} if "model" in words[-1] else {}
    assert sweep("+hydra.sweeper.max_batch_size=1", *words, **own) == 2
    assert capsys.readouterr().err.count("error: Could not ") == 1
    assert not list((tmp_path / "sweep").glob("*/results.json"))


def test_a_sweep_over_nothing_is_refused(sweep: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep("seed=range(0,0)") != 0
    said = capsys.readouterr().err
    assert "error: a sweep must be over at least one value, got seed=range(0,0)" in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("a=1 -m b=2", "a=1 b=2 -m"),
        ("-m a=1 ~b", "a=1 ~b -m"),
        ("-cd x=y a=1 --info config --cfg=job +b=2", "a=1 +b=2 -cd x=y --info config --cfg=job"),
        ("-sc install=bash", "install=bash -sc"),
        ("--config-dir conf a=1 -i -m b=1", "a=1 b=1 --config-dir conf -i -m"),
    ],
)
def test_overrides_may_stand_on_both_sides_of_options(words: str, found: str) -> None:
    assert for_hydra(words.split()) == found.split()
    get_args_parser().parse_args(for_hydra(words.split()))


def test_a_sweep_may_say_so_among_its_overrides(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["model=hf", f"model.name={tiny_bert}", "-m", f"hydra.sweep.dir={tmp_path / 'sweep'}", "probe.lr=-1,-2"]
    for command in ("train.py", "src/neuronprobe/__main__.py"):  # the latter is also the console script
        monkeypatch.setattr("sys.argv", [command, "callbacks=none", *words, "corpus=starter"])
        GlobalHydra.instance().clear()
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(ROOT / command), run_name="__main__")
        assert left.value.code == 1
        assert "0 ok, 2 failed: 0 probe.lr=-1: probe.lr must be a number" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["extract", "corpus=starter", *words, "model=brt"])
    assert extraction() == 2 and "Could not find 'model/brt'" in capsys.readouterr().err


def test_an_interrupted_sweep_says_how_it_goes_on(
    sweep: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("neuronprobe.probes.bank.ProbeBank.on_train_epoch_end", stop)
        assert sweep(seed="0,1") == 130
    advice = f"repeat the command with hydra.sweep.dir={tmp_path / 'sweep'}."
    assert advice in capsys.readouterr().err
    assert sweep(seed="0,1") == 0
    assert folders(tmp_path / "sweep") == {"0": "ok", "1": "ok"}


@pytest.mark.parametrize(
    ("choice", "extra"),
    [("launcher=joblib", "joblib"), ("launcher=slurm", "submitit"), ("sweeper=optimise", "optuna"),
     ("launcher=ray", "ray")],
)  # fmt: skip
def test_an_absent_plug_in_is_named_with_its_extra(
    choice: str, extra: str, sweep: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if any(importlib.util.find_spec(f"hydra_plugins.hydra_{extra}_{kind}") for kind in ("launcher", "sweeper")):
        pytest.skip(f"{extra} is installed; this is about its absence")
    assert sweep(f"hydra/{choice}") == 2
    assert f"pip install 'neuronprobe[{extra}]'" in capsys.readouterr().err


def command(tmp_path: Path, tiny_bert: Path, treebank: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """A multirun in processes of its own, as a user starts it."""
    files = [f"corpus.{split}={path}" for split, path in treebank.items()]
    small = ["probe.epochs=1", "probe.l1=[0.0,1e-3]", "probe.l2=1e-4", "probe.batch_size=32", "callbacks=none"]
    places = [f"activations.folder={tmp_path / 'store'}", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    return subprocess.run(
        [sys.executable, "train.py", "-m", "corpus=conllu", *files, "model=hf", f"model.name={tiny_bert}",
         *small, *places, *words],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip


def test_jobs_of_other_processes_are_counted_by_what_they_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("neuronprobe.jobs.pace.SECONDS", 0.01)
    caplog.set_level("INFO", "neuronprobe.jobs.pace")
    jobs = [tmp_path / name for name in "abc"]
    for job in jobs:
        job.mkdir()
    write_results(jobs[0], assemble("failed", {}, error="of the run before"))

    def said(n: int) -> list[str]:
        while len(caplog.messages) < n:
            time.sleep(0.01)
        return [re.sub(r"about \d+ \w+", "some", message) for message in caplog.messages]

    pace = Pace(5)
    pace.passed_over(2)
    with watched(jobs, pace):
        write_results(jobs[1], assemble("failed", {}, error="SystemExit: 144"))  # queued again
        write_results(jobs[2], assemble("failed", {}, error="why"))
        assert said(1) == ["3 of 5 jobs, some left"]
        write_results(jobs[1], assemble("ok", {}))
        assert said(2)[1:] == ["4 of 5 jobs, some left"]
    assert said(3)[2:] == ["5 of 5 jobs"], "what a job returned without a word in its folder"


def job_words(tmp_path: Path, tiny_bert: Path, treebank: dict[str, str]) -> list[str]:
    """A job whose training is long enough to be stopped in the middle."""
    files = [f"corpus.{split}={path}" for split, path in treebank.items()]
    small = ["probe.epochs=5", "probe.l1=[0.0,1e-3]", "probe.l2=1e-4", "probe.batch_size=8", "callbacks=none"]
    return ["corpus=conllu", *files, "model=hf", f"model.name={tiny_bert}", *small,
            f"activations.folder={tmp_path / 'store'}"]  # fmt: skip


def start(*words: str, **environment: str) -> subprocess.Popen[str]:
    own = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, "train.py", *words], cwd=ROOT, env=own, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(path: Path, command: subprocess.Popen[str]) -> None:
    while command.poll() is None and not path.exists():
        time.sleep(0.05)


@pytest.mark.slow
def test_a_job_of_submitit_whose_time_is_over_is_queued_again_and_goes_on(
    tmp_path: Path, tiny_bert: Path, small_treebank: dict[str, str]
) -> None:
    plug_in("submitit_launcher")
    words = job_words(tmp_path, tiny_bert, small_treebank)
    sweep = start("-m", *words, "seed=0", "hydra/launcher=submitit_local", f"hydra.sweep.dir={tmp_path / 'sweep'}")
    job = tmp_path / "sweep" / "0"
    wait_for(job / "checkpoints" / "last.ckpt", sweep)
    (controller,) = (path.name for path in (tmp_path / "sweep" / ".submitit").iterdir() if path.name.isdecimal())
    (task,) = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
    os.kill(int(task), signal.SIGUSR2)  # what submitit has Slurm send
    out, said = sweep.communicate(timeout=600)
    assert sweep.returncode == 0, said
    assert "1 ok; " in out and folders(tmp_path / "sweep") == {"0": "ok"}
    assert "Going on after the last finished epoch of an interrupted run" in (job / "job.log").read_text()
    assert len(list(job.glob("curves/metrics*.csv"))) == 2, "before and after"


@pytest.mark.slow
def test_a_job_whose_time_slurm_says_is_over_is_queued_again_and_the_same_command_goes_on(
    tmp_path: Path, tiny_bert: Path, small_treebank: dict[str, str]
) -> None:
    asked = tmp_path / "asked"
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {asked}\n')
    scontrol.chmod(0o755)
    slurm = {"SLURM_JOB_ID": "4711", "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    slurm |= {"SLURM_NODEID": "0", "SLURM_STEP_NUM_TASKS": "1", "PATH": f"{scontrol.parent}:{os.environ['PATH']}"}
    words = [*job_words(tmp_path, tiny_bert, small_treebank), f"hydra.run.dir={tmp_path / 'job'}"]
    first = start(*words, **slurm)
    wait_for(tmp_path / "job" / "checkpoints" / "last.ckpt", first)
    first.send_signal(signal.SIGUSR1)  # sbatch --signal=USR1@120
    _, said = first.communicate(timeout=600)
    assert first.returncode == 130 and asked.read_text() == "requeue 4711\n"
    assert said.splitlines()[-1] == "queued again: job 4711."
    second = start(*words, **slurm)
    out, said = second.communicate(timeout=600)
    assert second.returncode == 0, said
    assert "Going on after the last finished epoch of an interrupted run" in out
    assert not list(ROOT.glob("hpc_ckpt*")) and not list((tmp_path / "job").glob("hpc_ckpt*"))


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "package"), [("parallel", "joblib"), ("submitit_local", "submitit")])
def test_a_failure_in_another_process_is_not_lost(
    launcher: str, package: str, tmp_path: Path, tiny_bert: Path, small_treebank: dict[str, str]
) -> None:
    plug_in(f"{package}_launcher")
    done = command(tmp_path, tiny_bert, small_treebank, f"hydra/launcher={launcher}", "seed=0,1", "probe.lr=-1,0.01")
    assert done.returncode == 1, done.stderr[-3000:]
    assert "2 ok, 2 failed: 0 seed=0 probe.lr=-1: probe.lr must be a number" in done.stdout
    counted = [line for line in done.stdout.splitlines() if " of 4 jobs" in line]
    assert counted[-1].endswith("4 of 4 jobs"), done.stdout
    assert all(" left" in line for line in counted[:-1])
    assert folders(tmp_path / "sweep") == {"0": "failed", "1": "ok", "2": "failed", "3": "ok"}


@pytest.mark.slow
def test_a_sweep_that_optimises_counts_a_failed_job_and_goes_on(
    tmp_path: Path, tiny_bert: Path, small_treebank: dict[str, str]
) -> None:
    plug_in("optuna_sweeper")
    words = ["hydra/sweeper=optimise", "hydra.sweeper.n_trials=5", "probe.lr=choice(0.001,-1,0.03)"]
    done = command(tmp_path, tiny_bert, small_treebank, *words)
    assert done.returncode == 1, done.stderr[-3000:]
    found = {path.parent.name: json.loads(path.read_text()) for path in (tmp_path / "sweep").glob("*/results.json")}
    best = max((one["objective"], one["config"]["probe"]["lr"]) for one in found.values() if one["status"] == "ok")
    chosen = (tmp_path / "sweep" / "optimization_results.yaml").read_text()
    assert f"probe.lr: {best[1]}" in chosen.replace("'", "") and str(best[0])[:8] in chosen
    assert {one["config"]["probe"]["lr"] for one in found.values() if one["status"] == "failed"} == {-1}
    refused = command(tmp_path, tiny_bert, small_treebank, *words, "objective=test/score")
    assert refused.returncode == 2 and "objective must be on dev" in refused.stderr
    refused = command(tmp_path, tiny_bert, small_treebank, *words, "property=[upos,case]")
    assert refused.returncode == 2 and "property must be one in a sweep that optimises" in refused.stderr


def test_the_objective_is_a_score_of_the_chosen_probe(run: Run, tmp_path: Path) -> None:  # noqa: F811
    assert run(objective="dev/macro_f1", probe__epochs=1) == 0
    found = results(tmp_path / "job")
    rows = [
        row for row in found["rows"] if (row["study"], row["split"], row["metric"]) == ("oracle", "dev", "macro_f1")
    ]
    assert [row["value"] for row in rows] == [found["objective"]]
    assert run(objective="dev/loss") == 1


def test_a_failure_survives_pickling() -> None:
    assert str(pickle.loads(pickle.dumps(Failure("why")))) == "why"


def test_a_debug_job_is_marked_and_has_no_verdict(run: Run, tmp_path: Path) -> None:  # noqa: F811
    sizes = {f"callbacks__{name}__sizes": None for name in ("ablation", "retraining")}
    draws = {f"callbacks__{name}__draws": None for name in ("ablation", "retraining")}
    assert run("debug=fast", probe__epochs=None, **sizes, **draws) == 0
    found = results(tmp_path / "job")
    assert found["status"] == "debug" and found["verdict"].startswith("No verdict: a debug job (trainer.limit_train_")
    assert {"minimal_set", "selectivity", "spread", "stability", "layers"} <= {row["study"] for row in found["rows"]}
    assert found["beaten"] == [] and found["config"]["probe"]["epochs"] == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, ""),
        ({"limit_train_batches": 1.0, "overfit_batches": 0, "fast_dev_run": False}, ""),
        ({"limit_train_batches": 1}, "trainer.limit_train_batches=1"),
        ({"limit_val_batches": 0.5}, "trainer.limit_val_batches=0.5"),
        ({"fast_dev_run": True}, "trainer.fast_dev_run=True"),
        ({"fast_dev_run": 2, "max_steps": 5}, "trainer.fast_dev_run=2, trainer.max_steps=5"),
        ({"max_steps": -1}, ""),
    ],
)
def test_what_makes_a_job_a_debug_job(settings: dict[str, Any], said: str) -> None:
    assert debugging(settings) == said


def test_a_single_pair_can_be_swept_and_dev_score_be_monitored(
    sweep: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopping = "+callbacks.stop={_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: dev/score, mode: max}"
    assert sweep(stopping, probe__l1="0,0.001", probe__l2="0", probe__epochs=2) == 0
    found = [results(tmp_path / "sweep" / name) for name in "01"]
    pairs = [{(r["l1"], r["l2"]) for r in one["rows"] if r["study"] == "lambda_search"} for one in found]
    assert pairs == [{(0.0, 0.0)}, {(0.0, 0.0), (0.001, 0.0)}], "the unregularised probe is there for S"
    assert "search by S had no choice" in capsys.readouterr().out


def test_dev_score_is_what_the_metric_names_and_training_can_stop_by_it(run: Run, tmp_path: Path) -> None:  # noqa: F811
    one = {"metric": "macro_f1", "probe__l1": 0, "probe__l2": 0, "probe__epochs": 4, "probe__lr": 0.01} | FEW

    def scores(job: str) -> list[float]:
        """After each epoch, and of the finished job."""
        lines = csv.DictReader((tmp_path / job / "curves" / "metrics.csv").open())
        return [float(line["dev/score"]) for line in lines if line.get("dev/score")]

    assert run(hydra__run__dir=tmp_path / "whole", **one) == 0
    whole, rows = scores("whole"), results(tmp_path / "whole")["rows"]
    reached = {row["metric"]: row["value"] for row in rows if (row["study"], row["split"]) == ("oracle", "dev")}
    assert whole[-1] == pytest.approx(reached["macro_f1"]) and len(whole) == 4 + 1 and whole[0] < whole[1]
    assert reached["accuracy"] > reached["macro_f1"] + 0.05
    stop = "_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: dev/score, mode: max, patience: 9"
    threshold = f"stopping_threshold: {(whole[0] + whole[1]) / 2}"
    assert run(f"+callbacks.stop={{{stop}, {threshold}}}", hydra__run__dir=tmp_path / "stopped", **one) == 0
    assert scores("stopped") == pytest.approx([*whole[:2], whole[1]])


def test_extraction_alone_fills_the_store_for_a_whole_sweep(
    run: Run, tmp_path: Path, tiny_bert: Path, small_treebank: dict[str, str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["corpus=conllu", "model=hf", f"model.name={tiny_bert}", f"activations.folder={tmp_path / 'store'}"]
    words += [f"corpus.{split}={path}" for split, path in small_treebank.items()]
    swept = ["-m", *words, "property=upos,xpos", "model.layers=null,[0]", "seed=0,1", "probe.lr=interval(0.1,0.2)"]
    monkeypatch.setattr("sys.argv", ["extract", *swept])
    GlobalHydra.instance().clear()
    assert extraction() == 0
    assert len(list((tmp_path / "store").glob("*/index.json"))) == 6, "three splits of two choices of layers"
    assert {path.name for path in tmp_path.iterdir()} == {"store"}
    capsys.readouterr()
    assert run(probe__epochs=1, property="xpos") == 0
    assert "nothing extracted" in (said := capsys.readouterr().out) and "extracted into" not in said
    for wrong, said in ((["model=brt"], "Could not find 'model/brt'"), (["activations=live"], "got live")):
        monkeypatch.setattr("sys.argv", ["extract", *words, *wrong])
        assert extraction() == 2 and said in capsys.readouterr().err


@pytest.mark.slow
def test_sigterm_is_ctrl_c_also_in_extraction(tmp_path: Path, tiny_bert: Path) -> None:
    words = ["model=hf", f"model.name={tiny_bert}", "activations.subwords_per_batch=128", "callbacks=none"]
    words += [f"activations.folder={tmp_path / 'store'}", f"hydra.run.dir={tmp_path / 'job'}", "probe.epochs=1"]
    job = subprocess.Popen([sys.executable, "train.py", *words], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while job.poll() is None and not list((tmp_path / "store").glob("*.partial/*.npy")):
        time.sleep(0.02)
    job.terminate()
    _, said = job.communicate(timeout=600)
    assert job.returncode == 130, said
    assert said.splitlines()[-1].endswith(f"repeat the command with hydra.run.dir={tmp_path / 'job'}.")
    assert results(tmp_path / "job")["error"].startswith("KeyboardInterrupt")
    done = subprocess.run([sys.executable, "train.py", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and results(tmp_path / "job")["status"] == "ok"
