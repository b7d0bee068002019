"""What trackers get of a job, read back from what they really wrote."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from neuronprobe.callbacks.scalars import scalars, shares
from neuronprobe.errors import InputError
from neuronprobe.tracking import TensorBoard, WeightsAndBiases
from neuronprobe.tracking.left import Left
from neuronprobe.types import Row
from neuronprobe.words import for_hydra
from tests.test_train import ROOT, Run, results, run  # noqa: F401 (a fixture)
from tests.wandb_files import OfflineRun, offline_runs, read_offline_run
from tests.wandb_server import DummyServer

FEW: dict[str, Any] = {"callbacks": "none"}
FEW |= {f"callbacks__{study}__{key}": None for study in ("ablation", "retraining") for key in ("sizes", "draws")}
"""A job without studies."""


@pytest.fixture(autouse=True)
def no_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_SWEEP_ID", "WANDB_RUN_ID", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


def only_run(folder: Path) -> OfflineRun:
    (path,) = offline_runs(folder)
    return read_offline_run(path)


def value(folder: Path, **wanted: Any) -> float:
    rows = results(folder)["rows"]
    (row,) = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    return float(row["value"])


def test_a_run_of_weights_and_biases_holds_the_job(
    run: Run,  # noqa: F811
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings = {"tags": "[a,b]", "job_type": "probing", "notes": "why", "group": "mine"}
    assert run(logger="[wandb,csv]", **{f"logger__wandb__{name}": text for name, text in settings.items()}) == 0
    job, shown = tmp_path / "job", capfd.readouterr()
    found = only_run(job)
    assert found.exit_code == 0
    known = {"name": "tiny-bert0·upos·lca·0", "project": "neuronprobe"}
    assert {**found.about, **settings, **known, "tags": ["a", "b"]} == found.about
    assert found.config["probe"]["l1"] == [0.0, 0.001] and found.config["folder"] == str(job), "resolved"
    said = [line for line in (shown.out + shown.err).splitlines() if "wandb" in line]
    assert len(said) == 1 and str(offline_runs(job)[0].parent) in said[0]

    ablated = {"study": "ablation", "set": "top", "split": "test", "metric": "accuracy", "k": 10}
    for fill, name in (("zero", "test/ablation/top/10%/accuracy"), ("mean", "test/ablation/top/mean/10%/accuracy")):
        assert found.logged[name] == value(job, **ablated, fill=fill, ranking="lca")
    name = "test/ablation/magnitude/top/10%/accuracy"
    assert found.logged[name] == value(job, **ablated, fill="zero", ranking="magnitude")
    assert any(name.startswith("dev/accuracy/l1=") for name in found.logged)
    assert not any("/10/" in name or "/96/" in name for name in found.logged), "no counts of neurons"

    summary, left = found.summary, results(job)
    oracle = {"study": "oracle", "set": "all", "metric": "accuracy"}
    assert summary["oracle"] == value(job, **oracle, split="test")
    assert summary["dev/score"] == value(job, **oracle, split="dev")
    chosen = {"study": "lambda_search", "metric": "score", "chosen": True}
    assert [(summary["l1"], summary["l2"])] == [
        (row["l1"], row["l2"]) for row in left["rows"] if all(row.get(key) == v for key, v in chosen.items())
    ]
    overlap = {"study": "stability", "metric": "overlap", "over": "resamples", "set": "top"}
    assert summary["stability"] == value(job, **overlap, k=5)
    assert (summary["verdict"], summary["status"]) == (left["verdict"], "ok")

    shown_files = {name.removeprefix("figures/").removesuffix("._type") for name in found.logged if "._type" in name}
    pictures = {path.stem for path in job.glob("*.png")}
    assert len(pictures) >= 3 and pictures <= shown_files
    table = next((offline_runs(job)[0].parent / "files/media/table/tables").glob("ranking_[0-9]*.table.json"))
    ranking = json.loads(table.read_text())
    lines = list(csv.DictReader((job / "ranking.csv").open()))
    assert ranking["columns"] == list(lines[0]) and len(ranking["data"]) == 96
    assert {"neuron", "score", "labels", "confidence_top_5"} <= set(ranking["columns"])
    (kept,) = [files for name, files in found.artifacts.items() if name.startswith("neuronprobe-")]
    assert {"ranking.csv", "probe.safetensors", "results.json"} <= set(kept)
    assert found.metadata["fingerprint"] == left["fingerprint"]
    tables = {name for name in found.artifacts if "tables" in name}
    assert any("tablessubsets" in name for name in tables) and any("tableslabels" in name for name in tables)


def test_a_resumed_job_goes_on_in_its_run(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("neuronprobe.callbacks.lambda_search.lambda_search", lambda *_, **__: 1 / 0)
        assert run(logger="wandb", **FEW) == 1
    first = only_run(tmp_path / "job")
    assert run(logger="wandb", **FEW) == 0
    failed, finished = map(read_offline_run, offline_runs(tmp_path / "job"))
    assert first.about["id"] == failed.about["id"] == finished.about["id"]
    assert (failed.exit_code, finished.exit_code) == (1, 0)
    assert run(logger="wandb", hydra__run__dir=tmp_path / "other", **FEW) == 0
    assert only_run(tmp_path / "other").about["id"] != first.about["id"], "another folder is another job"


def test_jobs_of_a_sweep_are_a_group_named_by_what_varies(run: Run, tmp_path: Path) -> None:  # noqa: F811
    sweep = tmp_path / "sweep"
    assert run("-m", f"hydra.sweep.dir={sweep}", probe__lr="0.001,0.01", logger="wandb", **FEW) == 0
    found = [only_run(sweep / str(i)).about for i in (0, 1)]
    assert [about["name"] for about in found] == ["probe.lr=0.001", "probe.lr=0.01"]
    assert {about["group"] for about in found} == {"sweep"} and len({about["id"] for about in found}) == 2


def test_online_without_a_key_is_one_line_with_the_way_out(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where a key might lie
    assert run(logger="wandb", logger__wandb__mode="online", **FEW) == 1
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "logger.wandb.mode" in said and "WANDB_MODE=offline" in said
    assert not (tmp_path / "store").exists(), "nothing is extracted first"


def test_a_tracker_that_fails_takes_no_results_with_it(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr("wandb.Artifact.add_file", refuse)
    assert run(logger="wandb", **FEW) == 0
    assert "WeightsAndBiases did not take all: no route" in capsys.readouterr().out
    assert results(tmp_path / "job")["status"] == "ok" and only_run(tmp_path / "job").exit_code == 0


def test_a_connection_that_is_lost_is_said_once_and_the_job_goes_on(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise ConnectionResetError("Connection lost")

    monkeypatch.setattr("wandb.sdk.wandb_run.Run.log", lost)
    assert run(logger="wandb", **FEW) == 0
    assert capsys.readouterr().out.count("takes no more (Connection lost)") == 1
    assert results(tmp_path / "job")["status"] == "ok"


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_wandb")
def test_nothing_is_lost_where_the_network_dies(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = DummyServer()
    for name, text in {"BASE_URL": server.url, "API_KEY": "a" * 40, "MODE": "online"}.items():
        monkeypatch.setenv(f"WANDB_{name}", text)
    assert run(logger="wandb", logger__wandb__patience=2, **FEW) == 0
    assert server.is_used.is_set() and results(tmp_path / "job")["status"] == "ok"
    said = capsys.readouterr().out
    assert said.count(f"wandb sync {tmp_path / 'job' / 'wandb'}/*run-* sends all.") == 1
    first, rest = (read_offline_run(path) for path in sorted((tmp_path / "job" / "wandb").glob("*run-*/*.wandb"))[::-1])
    assert first.about["id"] == rest.about["id"] and rest.exit_code == 0
    assert any(name.startswith("dev/accuracy/l1=") for name in first.logged)
    assert "oracle" in rest.summary and any(name.startswith("figures/") for name in rest.logged)
    assert any("results.json" in files for files in rest.artifacts.values())


def test_tensorboard_has_hyperparameters_curves_tables_and_pictures(run: Run, tmp_path: Path) -> None:  # noqa: F811
    pytest.importorskip("tensorboard", reason="pip install 'neuronprobe[tensorboard]' to run this test")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert run(logger="[csv,tensorboard]") == 0
    job = tmp_path / "job"
    found = EventAccumulator(str(job / "tensorboard"), size_guidance={"tensors": 0, "images": 0})
    found.Reload()
    assert found.Scalars("oracle")[0].value == pytest.approx(
        value(job, study="oracle", metric="accuracy", split="test"), abs=1e-6
    )
    assert {"test/ablation/top/10%/accuracy", "dev/score"} <= set(found.Tags()["scalars"])
    assert "figures/lambda_grid" in found.Tags()["images"]
    assert {"tables/ranking/text_summary", "verdict/text_summary"} <= set(found.Tags()["tensors"])
    settings = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"probe/epochs" in settings and b"upos" in settings
    curves = csv.DictReader((job / "curves" / "metrics.csv").open())
    assert "test/ablation/top/10%/accuracy" in (curves.fieldnames or ()), "CSV too"


def test_mlflow_has_parameters_numbers_and_files(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("mlflow", reason="pip install 'neuronprobe[mlflow]' to run this test")
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    where = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", where)
    assert run(logger="mlflow") == 0
    assert run(logger="mlflow", probe__lr="-1", hydra__run__dir=tmp_path / "refused") == 1
    client = MlflowClient(where)
    (experiment,) = [one for one in client.search_experiments() if one.name == "neuronprobe"]
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.status, found.info.run_name) == ("FINISHED", "tiny-bert0·upos·lca·0")
    assert found.data.params["probe/epochs"] == "2"
    assert {"test/ablation/top/10 percent/accuracy", "dev/score"} <= set(found.data.metrics)
    assert found.data.tags["verdict"] == results(tmp_path / "job")["verdict"]
    files = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert {"ranking.csv", "probe.safetensors", "results.json", "lambda_grid.png"} <= files


def test_a_logger_that_is_not_installed_names_its_extra(
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if "mlflow" in name else there(name, *more)
    )
    assert run(logger="mlflow", **FEW) == 1
    assert "pip install 'neuronprobe[mlflow]'" in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(InputError, match=r"neuronprobe\[tensorboard\]"):
        TensorBoard(".")


def test_an_agent_is_online_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert WeightsAndBiases(str(tmp_path))._mode == "offline"
    assert for_hydra(["--probe.lr=1", "a=b"]) == ["a=b", "--probe.lr=1"], "nobody's agent"
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    assert WeightsAndBiases(str(tmp_path))._mode == "online"
    assert WeightsAndBiases(str(tmp_path), mode="offline")._mode == "offline"
    words = ["--probe.lr=0.01", "--seed=3", "--config-dir=mine", "-m", "--multirun", "corpus=pmb"]
    assert for_hydra(words) == ["probe.lr=0.01", "seed=3", "corpus=pmb", "--config-dir=mine", "-m", "--multirun"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["args_no_hyphens", "args"])
def test_the_command_of_an_agent_runs_a_job_of_the_sweep(
    form: str, tmp_path: Path, tiny_bert: Path, small_treebank: dict[str, str]
) -> None:
    """As far as it goes offline: the command that W&B's agent makes of the sweep, in the environment that it gives."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    sweep = yaml.safe_load((ROOT / "examples" / "wandb_sweep.yaml").read_text())
    assert sweep["metric"]["name"] == "dev/score"
    chosen = {"args": {"property": {"value": "xpos"}, "probe.lr": {"value": 0.002}}}
    assert set(chosen["args"]) == set(sweep["parameters"])
    texts = {"env": [], "interpreter": [sys.executable], "program": [sweep["program"]]}
    given = {name: create_sweep_command_args(chosen)[name] for name in ("args", "args_no_hyphens")}
    template = [word.replace("args_no_hyphens", form) for word in create_sweep_command(sweep["command"])]
    words = [part for word in template for part in {**texts, **given}.get(word[2:-1], [word])]
    small = ["corpus=conllu", *(f"corpus.{split}={path}" for split, path in small_treebank.items())]
    small += ["model=hf", f"model.name={tiny_bert}", "callbacks=none", "probe.epochs=1", "search=dev"]
    small += [f"activations.folder={tmp_path / 'store'}", f"hydra.run.dir={tmp_path / 'job'}"]
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text("wandb_version: 1\nprobe.lr:\n  value: 0.002\n")
    agent = {"WANDB_SWEEP_ID": "abc123", "WANDB_RUN_ID": "run456", "WANDB_SWEEP_PARAM_PATH": str(parameters)}
    done = subprocess.run(
        [*words, *small], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", **agent},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = only_run(tmp_path / "job")
    assert (found.about["id"], found.about["sweep"]) == ("run456", "abc123")
    assert found.config["probe"]["lr"] == 0.002 and found.config["property"]["name"] == "xpos"
    assert "dev/score" in found.logged and "Ignoring" not in done.stderr


def test_names_are_shares_that_runs_of_different_models_have(tmp_path: Path) -> None:
    def named(n_neurons: int) -> set[str]:
        sizes = shares([0.01, 0.1, 7], n_neurons)
        about: dict[str, Any] = {"set": "top", "split": "test", "ranking": "lca"}
        rows = [Row("s", "accuracy", 0.5, k=k, share=k / n_neurons, **about) for k in sizes]
        rows += [Row("m", "accuracy", 0.5, k=9, share=9 / n_neurons, flags={"tolerance": 0.01}, **about)]
        rows += [Row("layers", "accuracy", 0.5, k=n_neurons // 3, share=1 / 3, layer=2, site="residual", split="test")]
        return set(scalars(rows, "lca", sizes))

    assert named(384) == named(2_688) == {
        "test/s/top/1%/accuracy", "test/s/top/10%/accuracy", "test/m/top/tolerance 0.01/accuracy",
        "test/layers/layer 2/accuracy",
    }  # fmt: skip


def test_numbers_that_would_share_a_name_have_none() -> None:
    rows = [Row("lambda_search", "accuracy", v, set="all", split="test", l1=v, l2=0.0) for v in (0.1, 0.2)]
    rows += [Row("oracle", "f1", 0.3, set="all", split="test", label="N"), Row("oracle", "f1", None, split="test")]
    rows += [Row("oracle", "accuracy", 0.4, set="all", split="test"), Row("a", "b", 1.0, split="dev", set="top")]
    assert scalars(rows, None, {}) == {"test/oracle/all/accuracy": 0.4}


def test_a_summary_names_what_results_have(tmp_path: Path) -> None:
    kept = [
        Row("oracle", "macro_f1", 0.8, set="all", split="test", l1=0.1, l2=0.2),
        Row("oracle", "accuracy", 0.9, set="all", split="test", l1=0.1, l2=0.2),
        Row("selectivity", "selectivity", 0.3, set="all", split="test"),
        Row("selectivity", "selectivity", 0.2, set="top", split="test"),
        *(Row("stability", "overlap", s, set="top", share=s, flags={"over": "resamples"}) for s in (0.01, 0.05)),
    ]
    left = Left(tmp_path, {"config": {"metric": "macro_f1"}, "rows": [row.as_dict() for row in kept], "verdict": "v"})
    assert left.summary == {
        "l1": 0.1, "l2": 0.2, "oracle": 0.8, "selectivity": 0.3, "stability": 0.05, "verdict": "v",
    }  # fmt: skip
