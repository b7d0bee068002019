"""The main job as a user runs it: real files, a real (small) model, all stages; and what bad input ends in."""

from __future__ import annotations

import csv
import json
import logging
import os
import pkgutil
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from neuronprobe.build import build
from neuronprobe.probes import load_probe
from neuronprobe.rankings.lca import by_mass
from neuronprobe.studies.cells import neuron_name

ROOT = Path(__file__).parents[1]
Run = Callable[..., int]


@pytest.fixture
def run(
    tmp_path: Path, tiny_bert: Path, small_treebank: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Runs train.py in this process with overrides; the exit code. Small settings unless overridden."""
    torch.set_num_threads(1)
    defaults = {
        "corpus": "conllu", **{f"corpus.{split}": path for split, path in small_treebank.items()},
        "model": "hf", "model.name": str(tiny_bert), "activations.folder": str(tmp_path / "store"),
        "hydra.run.dir": str(tmp_path / "job"), "probe.epochs": "2", "probe.l1": "[0.0,1e-3]", "probe.l2": "1e-4",
        "probe.batch_size": "32", "callbacks.ablation.sizes": "[0.1,0.2]", "callbacks.retraining.sizes": "[0.05,10]",
        "callbacks.ablation.draws": "2", "callbacks.retraining.draws": "2",
    }  # fmt: skip

    def run(*words: str, **overrides: Any) -> int:
        changed = {**defaults, **{key.replace("__", "."): str(value) for key, value in overrides.items()}}
        arguments = [f"{key}={value}" for key, value in changed.items() if value != "None"]
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        monkeypatch.setattr(sys, "argv", ["train.py", *words, *arguments])
        GlobalHydra.instance().clear()
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
        return int(left.value.code or 0)

    yield run
    for handler in logging.root.handlers[:]:
        if isinstance(handler, logging.FileHandler):
            logging.root.removeHandler(handler)


def results(folder: Path) -> dict[str, Any]:
    def no_constants(text: str) -> None:
        raise AssertionError(f"{text} in results.json")

    return dict(json.loads((folder / "results.json").read_text(), parse_constant=no_constants))


def table_index(row: dict[str, str]) -> int:
    """Flat index of a neuron of the tiny model: layers of 32."""
    return 32 * int(row["layer"]) + int(row["neuron"])


def test_the_main_job_writes_all_that_it_promises(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    job, shown = tmp_path / "job", capsys.readouterr().out
    found = results(job)
    assert (found["schema"], found["status"]) == (1, "ok")
    assert found["config"]["probe"]["l1"] == [0.0, 0.001]
    assert set(found["fingerprint"]) == {"train", "dev", "test"}
    assert {"corpus", "activations", "training", "lambda_search", "ablation", "retraining"} <= set(found["seconds"])
    studies = {row["study"] for row in found["rows"]}
    assert studies == {
        "corpus",
        "baseline",
        "lambda_search",
        "oracle",
        "ranking",
        "ablation",
        "ablation_curve",
        "retraining",
        "stability",
        "training",
    }

    ranking = list(csv.DictReader((job / "ranking.csv").open()))
    assert list(ranking[0])[:7] == ["rank", "site", "layer", "neuron", "role", "score", "earned"]
    assert {row["earned"] for row in ranking} == {"true"}
    assert len({(row["layer"], row["neuron"]) for row in ranking}) == len(ranking) == 96

    probe, labels, segments = load_probe(job / "probe.safetensors")
    assert probe.weights.shape == (len(labels), 96) and sum(s["width"] for s in segments) == 96

    assert [table_index(row) for row in ranking] == by_mass(probe.weights).order.tolist()
    chosen = [r for r in found["rows"] if r["study"] == "lambda_search" and r["chosen"]]
    assert {(r["l1"], r["l2"]) for r in chosen} == {(probe.l1, probe.l2)}
    for split in ("dev", "test"):
        one, other = (
            next(r["value"] for r in found["rows"] if r["study"] == study and r["split"] == split and r["set"] == "all"
                 and r["metric"] == "accuracy" and (r["l1"], r["l2"]) == (probe.l1, probe.l2))
            for study in ("oracle", "lambda_search")
        )  # fmt: skip
        assert one == other

    with np.load(job / "predictions.npz", allow_pickle=False) as predictions:
        oracle = next(
            r for r in found["rows"] if r["study"] == "oracle" and r["split"] == "test" and r["metric"] == "accuracy"
        )
        share = predictions["oracle"].sum() / predictions["units"].sum()
        assert share == pytest.approx(oracle["value"])
        assert predictions["ablation/mean/lca/random-10"].shape == (199, len(predictions["units"]))
        assert predictions["retraining/lca/top-10"].shape == predictions["units"].shape

    page = (job / "report.md").read_text()
    line = next(line for line in page.splitlines() if line.startswith(f"| {probe.l1:g} | {probe.l2:g} |"))
    wanted = [("all", "dev"), ("top", "dev"), ("bottom", "dev"), ("all", "test")]
    cells = [
        next(r["value"] for r in chosen if (r["set"], r["split"], r["metric"]) == (*place, "accuracy"))
        for place in wanted
    ]
    assert line.split(" | ")[2:6] == [f"{100 * cell:.1f}" for cell in cells]
    for name in re.findall(r"\]\((\S+\.png)\)", page):
        assert (job / name).read_bytes().startswith(b"\x89PNG")
    assert page.count(".png)") == 8, "grid (2), confusion, layers, ablation with both fills, retraining, stability"
    assert (job / ".hydra" / "overrides.yaml").is_file()
    curves = list(csv.DictReader((job / "curves" / "metrics.csv").open()))
    assert any("dev/accuracy" in column for column in curves[0])
    for expected in (
        "oracle (all neurons)",
        "λ1, λ2 chosen on dev",
        "most salient by lca",
        "No verdict",
        str(job),
        "5%, retrained",
    ):
        assert expected in shown.replace("\n", "")


def test_all_studies_run_in_one_job(run: Run, tmp_path: Path) -> None:
    assert run(callbacks="full", search="retrained_score", metric="macro_f1", probe__epochs=1) == 0
    found = results(tmp_path / "job")
    rows, n_train = found["rows"], 96
    assert {"minimal_set", "redundancy", "selectivity", "ablation_curve"} <= {row["study"] for row in rows}
    assert {row["fill"] for row in rows if row["study"] == "ablation"} == {"zero", "mean"}
    page = (tmp_path / "job" / "report.md").read_text()
    assert "In S, top and bottom are retrained; on dev." in page and "the rest zero: macro-F1 on test, %\n" in page
    gains = {row["metric"] for row in rows if row["study"] == "ablation" and row.get("against") == "random"}
    assert gains == {"accuracy_difference", "macro_f1_difference"}
    oracle = [row for row in rows if row["study"] == "oracle" and row["split"] == "test" and row["metric"] == "f1"]
    whole = next(r for r in rows if r["study"] == "oracle" and r["split"] == "test" and r["metric"] == "macro_f1")
    assert whole["low"] < whole["value"] < whole["high"] and len(oracle) > 5
    assert {row["by"] for row in rows if row["study"] == "lambda_search"} == {"retrained_score"}
    sizes = {row["tolerance"]: row["k"] for row in rows if (row["study"], row["metric"]) == ("minimal_set", "neurons")}
    assert list(sizes) == [0.005, 0.01, 0.02]
    assert all(k is None or 1 <= k <= n_train for k in sizes.values())
    taken = next((tolerance for tolerance, k in sizes.items() if k is not None), 0.02)
    salient = {(row["tolerance"], row["k"]) for row in rows if row["study"] == "spread"}
    assert salient == {(taken, sizes[taken] or 0)}
    selective = [row for row in rows if row["metric"] == "selectivity" and row["split"] == "test"]
    assert [(row["set"], row.get("tolerance"), row["k"]) for row in selective] == [
        ("all", None, n_train),
        *(("top", tolerance, k) for tolerance, k in sizes.items()),
    ]
    oracle = next(r for r in rows if r["study"] == "oracle" and r["split"] == "test" and r["metric"] == "accuracy")
    control = next(r for r in rows if r["study"] == "selectivity" and r["metric"] == "mean_accuracy" and r["k"] == 96
                   and r["split"] == "test")  # fmt: skip
    assert selective[0]["value"] == pytest.approx(oracle["value"] - control["value"])
    with np.load(tmp_path / "job" / "predictions.npz", allow_pickle=False) as predictions:
        share = predictions["selectivity/control-all"][2].sum() / predictions["units"].sum()
    draw = next(r for r in rows if r["study"] == "selectivity" and r["draw"] == 2 and r["k"] == 96
                and r["split"] == "test")  # fmt: skip
    assert share == pytest.approx(draw["value"])


def test_live_activations_give_the_same_job_as_a_store(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(activations__dtype="float32") == 0
    assert run(activations="live", activations__folder=tmp_path / "none", hydra__run__dir=tmp_path / "live") == 0
    assert not (tmp_path / "none").exists() and "activations: live" in capsys.readouterr().out
    stored, live = results(tmp_path / "job")["rows"], results(tmp_path / "live")["rows"]
    assert len(stored) == len(live)
    for one, other in zip(stored, live, strict=True):
        if one["metric"] == "accuracy":
            assert other["value"] == pytest.approx(one["value"], abs=0.005)


def test_sites_are_told_apart_all_the_way(run: Run, tmp_path: Path) -> None:
    assert run(model__sites="[residual,mlp,attention]", callbacks="full", probe__epochs=1) == 0
    with (tmp_path / "job" / "ranking.csv").open(encoding="utf-8") as file:
        ranked = list(csv.DictReader(file))
    inside = {(site, str(layer)) for site in ("mlp", "attention") for layer in (1, 2)}
    assert {(row["site"], row["layer"]) for row in ranked} == {*(("residual", str(i)) for i in range(3)), *inside}
    heads = {(row["site"], int(row["neuron"]) // 16 if row["site"] == "attention" else "", row["attention_head"])
             for row in ranked}  # fmt: skip
    assert heads == {("residual", "", ""), ("mlp", "", ""), ("attention", 0, "0"), ("attention", 1, "1")}
    salient = [
        r for r in results(tmp_path / "job")["rows"]
        if (r["study"], r["metric"], r["ranking"]) == ("ranking", "salient_neurons", "lca")
    ]  # fmt: skip
    assert [(row["site"], row["layer"]) for row in salient] == [
        ("residual", 0), ("residual", 1), ("residual", 2), ("mlp", 1), ("mlp", 2),
        ("attention", 1), ("attention", 2),
    ]  # fmt: skip
    assert neuron_name({"site": "mlp", "layer": 3, "neuron": 5, "role": "head"}) == "head mlp (3, 5)"
    assert neuron_name({"site": "residual", "layer": 3, "neuron": 5}) == "(3, 5)"


def test_a_property_of_sentences_goes_through_all_studies(
    run: Run, tmp_path: Path, small_questions: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {
        **{f"corpus.{split}": path for split, path in small_questions.items()}, "corpus": "trec", "corpus.dev": None,
        "corpus.held_out": 100, "property": "question", "callbacks": "full", "callbacks.selectivity": "null",
        "probe.epochs": 20, "probe.lr": 0.01,
    }  # fmt: skip
    assert run(**settings) == 0
    oracle = next(r for r in results(tmp_path / "job")["rows"] if (r["study"], r["split"]) == ("oracle", "test"))
    assert oracle["value"] > 0.8, "the first word tells; a third would be chance"
    said = capsys.readouterr().out
    assert "500 sentences extracted" in said
    assert "property question is of sentences: model.aggregation=sentence_mean." in said
    assert results(tmp_path / "job")["config"]["model"]["aggregation"] == "sentence_mean"
    assert run(**(settings | {"callbacks.selectivity": None})) == 1
    assert "selectivity" in capsys.readouterr().err


def test_a_control_with_random_weights_and_a_static_baseline_are_other_stores(run: Run, tmp_path: Path) -> None:
    values = []
    for name, setting in (
        ("trained", {}),
        ("random", {"model.random_weights": True, "model.seed": 1}),
        ("static", {"model.layers": 0}),
    ):
        assert run(hydra__run__dir=tmp_path / name, **setting) == 0
        found = results(tmp_path / name)
        values.append(next(r["value"] for r in found["rows"] if (r["study"], r["split"]) == ("oracle", "test")))
    assert len(set(values)) == 3
    assert len(list((tmp_path / "store").glob("*/index.json"))) == 9


def test_every_number_on_the_page_is_a_row(run: Run, tmp_path: Path) -> None:
    run()
    found = results(tmp_path / "job")
    page = (tmp_path / "job" / "report.md").read_text().split("\nSeconds:")[0]
    page = re.sub(r"## What the most salient neurons respond to\n.*?(?=\n## |\Z)", "", page, flags=re.DOTALL)  # words
    keys = ("value", "low", "high", "k", "l1", "l2", "layer", "neuron", "support", "rank", "share", "mass", "chance",
            "n_draws", "earned", "p", "fewest")  # fmt: skip
    values = [row[key] for row in found["rows"] for key in keys if row.get(key) is not None]
    known = {f"{v:{form}}" for v in values for form in (".0f", ",.0f", ".1f", "g", "+.1f")}
    known |= {f"{100 * v:{form}}" for v in values for form in (".1f", ".3g", "+.1f", ".0f")}
    known |= {f"{v:{form}}" for v in values for form in (".3f", ".2g")} | {"95", "0", "1", "2", "90"}
    numbers = re.findall(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?", re.sub(r"λ\d|\(\S+\.png\)|[\w-]*[a-z][\w-]*", " ", page))
    assert [n for n in numbers if n.rstrip(",") not in known and n.lstrip("+-").rstrip(",") not in known] == []
    assert len(numbers) > 100


def test_the_same_seed_gives_the_same_rows_and_a_second_run_extracts_nothing(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(hydra__run__dir=tmp_path / "one") == 0
    assert "words extracted into" in capsys.readouterr().out
    assert run(hydra__run__dir=tmp_path / "two") == 0
    said = capsys.readouterr().out
    assert said.count("words read from the store, nothing extracted") == 3 and "words extracted into" not in said
    assert run(hydra__run__dir=tmp_path / "three", seed=1) == 0
    one, two, three = (results(tmp_path / name)["rows"] for name in ("one", "two", "three"))
    assert one == two
    assert one != three


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "solver"),
    [
        ("neuronprobe.probes.bank.ProbeBank.on_train_epoch_end", "adam"),
        ("neuronprobe.callbacks.lambda_search.lambda_search", "adam"),
        ("neuronprobe.run.write_report", "adam"),
        ("neuronprobe.callbacks.lambda_search.lambda_search", "exact"),  # its passes were fewer than probe.epochs
        ("neuronprobe.callbacks.lambda_search.lambda_search", "stopped"),
    ],
)
def test_an_interrupted_job_goes_on_and_ends_with_the_same_rows(
    place: str, solver: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if solver == "exact":
        grid = {"probe__l1": "null", "probe__l1_shares": "[0.5,0.1]", "probe__l2": "1e-2", "probe__epochs": 500}
        run = partial(run, "probe=exact", probe__batch_size=None, **grid)
    if solver == "stopped":  # after its second epoch of nine
        stop = STOP.replace("}", ", mode: max, patience: 1, min_delta: 1.0}")
        run = partial(run, f"+callbacks.stop={stop}", probe__epochs=9)
    assert run(hydra__run__dir=tmp_path / "whole") == 0
    original, calls = pkgutil.resolve_name(place), []

    def stop(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == (2 if "epoch" in place else 1):
            raise KeyboardInterrupt
        return original(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(place, stop)
        assert run() == 130
    assert "interrupted: activations and finished epochs are kept" in capsys.readouterr().err
    assert results(tmp_path / "job")["status"] == "failed"
    assert run(search__share=7) == 1, "what is refused before training takes nothing away"
    capsys.readouterr()
    assert run() == 0
    assert "Going on after the last finished epoch" in capsys.readouterr().out
    assert results(tmp_path / "job")["rows"] == results(tmp_path / "whole")["rows"]
    assert not (tmp_path / "job" / "checkpoints").exists()
    for folder in ("whole", "job"):  # what was trained, not what was planned
        said, found = (tmp_path / folder / "job.log").read_text(), results(tmp_path / folder)
        steps = [row["value"] for row in found["rows"] if row["metric"] == "optimizer_steps"]
        if solver == "exact":
            assert steps == []
            continue
        curves = list(csv.DictReader((tmp_path / "whole/curves/metrics.csv").open()))
        last = max(int(line["step"]) for line in curves if any(line[name] for name in line if "train/loss" in name))
        assert steps == [last + 1]
        stopped = f"training was stopped after {last + 1} optimizer steps, before its 9 epochs were over"
        assert said.count("training was stopped") == said.count(stopped) == (solver == "stopped")
    left = {path.name for path in (tmp_path / "job" / "curves").glob("*.csv")}
    assert left == {"metrics.csv", "metrics-1.csv"}, "curves before the interruption are kept"


def test_another_trainer_does_not_go_on_where_one_stopped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*arguments: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    no_draws = {"callbacks__retraining__draws": None}
    for trainer, goes_on in (({}, False), ({}, True), ({"+trainer__gradient_clip_val": 1e-3}, False)):
        with monkeypatch.context() as patch:
            patch.setattr("neuronprobe.callbacks.lambda_search.lambda_search", stop)
            assert run(callbacks__retraining="null", callbacks__retraining__sizes=None, **no_draws, **trainer) == 130
        assert ("Going on after" in capsys.readouterr().out) == goes_on


def test_a_job_with_the_exact_solver_says_what_came_to_its_optimum(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"probe__l1": "null", "probe__l1_shares": "[0.99,1e-3]", "probe__l2": "1e-2", "probe__epochs": 6}
    assert run("probe=exact", probe__batch_size=None, **settings) == 0
    rows = [row for row in results(tmp_path / "job")["rows"] if row["study"] == "lambda_search"]
    residuals = [row for row in rows if row["metric"] == "kkt_residual"]
    assert [row["converged"] for row in residuals] == [False, True] and all(row["unique"] for row in residuals)
    assert residuals[0]["l1"] / residuals[1]["l1"] == pytest.approx(1e-3 / 0.99)
    (lost,) = (row for row in rows if row["metric"] == "accuracy_given_up_to_unregularised")
    assert (lost["reference_l1"], lost["reference_l2"]) == (residuals[0]["l1"], 1e-2)
    assert "1 of 2 probes did not come to their optimum in 6 passes" in capsys.readouterr().out


def test_a_job_whose_probe_is_not_at_its_optimum_is_ok_warns_and_gives_no_verdict(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"probe__l1": "null", "probe__l1_shares": "1e-3", "probe__l2": "1e-2", "probe__epochs": 3}
    assert run("probe=exact", probe__batch_size=None, **settings) == 0
    found = results(tmp_path / "job")
    assert found["status"] == "ok" and found["verdict"].startswith("No verdict on the top neurons")
    assert "the probe did not come to its optimum (KKT residual" in found["verdict"]
    assert "1 of 1 probes did not come to their optimum in 3 passes" in capsys.readouterr().out


def test_stability_search_knows_the_grid_of_the_exact_solver(run: Run, tmp_path: Path) -> None:
    settings = {"probe__l1": "null", "probe__l1_shares": "[0.9,0.5]", "probe__l2": "1e-2", "probe__epochs": 60}
    few = {"search__resamples": 2, "search__tolerance": 1.0, "callbacks": "none"}
    callbacks = dict.fromkeys(("ablation__sizes", "retraining__sizes", "ablation__draws", "retraining__draws"))
    gone = {f"callbacks__{name}": value for name, value in callbacks.items()}
    assert run("probe=exact", "search=stability", probe__batch_size=None, **settings, **few, **gone) == 0
    rows = results(tmp_path / "job")["rows"]
    found = {row["l1"] for row in rows if row["study"] == "lambda_search" and row["metric"] == "overlap"}
    assert len(found) == 2 and not found & {0.9, 0.5}, "shares of λ1_max are no λ1"


def test_a_grid_too_large_for_one_bank_gives_the_same_rows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(hydra__run__dir=tmp_path / "whole") == 0
    monkeypatch.setattr("neuronprobe.probes.fit.MOST_WEIGHTS", 96 * 17 * 2)
    assert run() == 0
    assert "3 probes would not fit in memory as one bank: trained as 2 banks." in capsys.readouterr().out
    whole, parts = (
        {(r["l1"], r["l2"]): r["value"] for r in results(tmp_path / name)["rows"] if r["metric"] == "objective"}
        for name in ("whole", "job")
    )
    assert len(whole) == 3 and parts == pytest.approx(whole, rel=1e-5)


@pytest.mark.usefixtures("fresh_wandb")
def test_a_key_that_wandb_refuses_is_said_before_the_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "short")
    assert run(logger="wandb") == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1 and "API key" in said[0]
    assert not (tmp_path / "store").exists(), "nothing is extracted first"


@pytest.mark.slow
@pytest.mark.parametrize("change", ["setting", "labels", "version"])
def test_another_job_in_the_same_folder_starts_anew(
    change: str, run: Run, tmp_path: Path, small_treebank: dict[str, str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    swapped = tmp_path / "train.conllu"
    text = Path(small_treebank["train"]).read_text().replace("\tNOUN\t", "\tSWAP\t").replace("\tVERB\t", "\tNOUN\t")
    swapped.write_text(text.replace("\tSWAP\t", "\tVERB\t"))
    other = {"setting": {"probe__lr": 0.002}, "labels": {"corpus__train": swapped}, "version": {}}[change]
    with monkeypatch.context() as patch:
        patch.setattr("neuronprobe.callbacks.lambda_search.lambda_search", lambda *_, **__: 1 / 0)
        if change == "version":
            patch.setattr("neuronprobe.run.versions", lambda: {"neuronprobe": "0.0.1"})
        assert run() == 1
    assert run(**other) == 0
    assert "Going on" not in capsys.readouterr().out


@pytest.mark.slow
def test_two_processes_extract_the_same_and_train_the_same_also_in_a_slurm_job(
    tmp_path: Path, tiny_bert: Path, small_treebank: dict[str, str]
) -> None:
    """Uneven batches must not hang: a killed process is a failed test."""
    files = [f"corpus.{split}={path}" for split, path in small_treebank.items()]
    settings = [
        "probe.epochs=2",
        "probe.l1=1e-3",
        "probe.l2=1e-3",
        "probe.batch_size=31",
        "callbacks=none",
        "search=dev",
    ]
    slurm = dict.fromkeys(("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"), "0")  # a job of one task, as sbatch has it
    slurm |= {"SLURM_JOB_ID": "4711", "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "probes", "OMP_NUM_THREADS": "1"}
    for name, more in (("one", []), ("two", ["trainer.devices=2", "trainer.strategy=ddp"])):
        where = [f"activations.folder={tmp_path / name / 'store'}", f"hydra.run.dir={tmp_path / name / 'job'}"]
        command = ["timeout", "-k", "5", "150", sys.executable, "train.py", "corpus=conllu", *files, "model=hf"]
        command += [f"model.name={tiny_bert}", *settings, *where, *more]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **slurm})
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("Linguistic Correlation Analysis") == done.stdout.count("┃ majority %") == 1
        assert [path.name for path in (tmp_path / name / "job").glob("*.log")] == ["job.log"]
        assert done.stdout.count("lambda search (study 1 of 1)") == 1
    one, two = (load_probe(tmp_path / name / "job" / "probe.safetensors")[0] for name in ("one", "two"))
    torch.testing.assert_close(one.weights, two.weights, rtol=0, atol=1e-4)
    stores = [sorted((tmp_path / name / "store").glob("*/*.npy")) for name in ("one", "two")]
    assert [path.read_bytes() for path in stores[0]] == [path.read_bytes() for path in stores[1]]
    assert len(stores[0]) == 9


def test_a_multirun_goes_on_after_a_failed_job(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = tmp_path / "sweep"
    assert run("-m", f"hydra.sweep.dir={sweep}", probe__lr="-1,0.01") == 1
    first, second = results(sweep / "0"), results(sweep / "1")
    assert (first["status"], second["status"]) == ("failed", "ok")
    assert "probe.lr must be a number" in first["error"]
    from neuronprobe.report.__main__ import main

    sys.argv = ["report", str(sweep)]
    assert main() == 0
    joined = list(csv.DictReader((sweep / "jobs.csv").open()))
    assert [(row["job"], row["status"], row["probe.lr"]) for row in joined] == [
        ("0", "failed", "-1"),
        ("1", "ok", "0.01"),
    ]
    rows = list(csv.DictReader((sweep / "rows.csv").open()))
    assert {row["job"] for row in rows} == {"1"} and len(rows) == len(second["rows"])


def test_few_steps_are_warned_about(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(probe__batch_size=512) == 0
    assert "optimizer steps, fewer than 400: λ hardly binds" in capsys.readouterr().out


def tiny_copy(folder: Path, tiny_bert: Path, *missing: str) -> Path:
    shutil.copytree(tiny_bert, folder)
    for pattern in missing:
        for path in folder.glob(pattern):
            path.unlink()
    return folder


ABLATION = "{_target_: neuronprobe.callbacks.Ablation, sizes: [0.5]}"
STOP = "{_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: dev/score}"
EXACT = {"probe": "exact", "probe__l1": "null", "probe__l1_shares": "[0.5]", "probe__batch_size": None}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "missing file": ({"corpus__train": "nowhere.conllu"}, r"corpus\.train must be a CoNLL-U file, got 'nowhere"),
    "empty file": ({"corpus__dev": "{tmp}/empty"}, r"empty must hold at least one sentence, got none"),
    "malformed file": ({"corpus__test": "{tmp}/malformed"}, r"malformed, line 1, must have 10 columns .*, got 1"),
    "no such property": ({"property": "foo"}, r"find 'property/foo'.*xpos; any column .* property\.name=NAME"),
    "no such column": ({"property__name": "ner"}, r"property must be one of lemma, upos, xpos.*got 'ner'"),
    "no tokenizer": ({"model__name": "{tmp}/no-tokenizer"}, r"model\.name must be a model folder with a tokenizer"),
    "no weights": ({"model__name": "{tmp}/no-weights"}, r"model\.name must be a model folder with weights"),
    "no model": ({"model__name": "???"}, r"model.*(name|Missing)"),
    "negative l1": ({"probe__l1": -0.1}, r"probe\.l1 must be a number of at least 0, got -0\.1"),
    "l2 no number": ({"probe__l2": "abc"}, r"probe\.l2 must be a number of at least 0, got 'abc'"),
    "k beyond": ({"callbacks__ablation__sizes": "[97]"}, r"must be a count from 1 to 96 .*got 97"),
    "unknown key": ({"probe__l3": 1}, r"Could not override 'probe\.l3'"),
    "unknown group": ({"probe": "svm"}, r"Could not find 'probe/svm'.*adam"),
    "seed": ({"seed": "x"}, r"seed must be a whole number from 0 to .*got 'x'"),
    "precision": ({"trainer__precision": "8-bit"}, r"trainer.precision must be one of .*, got '8-bit'"),
    "target": ({"model___target_": "os.system"}, r"_target_ in model must begin with neuronprobe\..*got 'os\.system'"),
    "batch size": ({"probe__batch_size": 0}, r"probe\.batch_size must be a whole number of at least 1, got 0"),
    "store dtype": ({"activations__dtype": "int8"}, r"activations\.dtype must be one of float16, float32, got 'int8'"),
    "model dtype": ({"model__dtype": "int8"}, r"model\.dtype must be one of float32.*got 'int8'"),
    "missing train": ({"corpus__train": "???"}, r"corpus.*train"),
    "folder as file": ({"corpus__test": "{tmp}"}, r"corpus\.test must be a CoNLL-U file"),
    "corpus number": ({"corpus__dev": 5}, r"corpus\.dev must be a CoNLL-U file, got '5'"),
    "no such corpus": ({"corpus": "brown"}, r"Could not find 'corpus/brown'.*conll2000, .*conllu, .*starter"),
    "column left empty": ({"property__name": "deprel"}, r"property deprel must label at least one word of train"),
    "no such model": ({"model": "brt"}, r"Could not find 'model/brt'.*bert, .*hf, .*minilm"),
    "model name number": ({"model__name": 7}, r"model\.name must be a model folder or a hub name, got 7"),
    "model name empty": ({"model__name": "''"}, r"model\.name must be a model folder or a hub name, got ''"),
    "broken weights": ({"model__name": "{tmp}/broken"}, r"model\.name must be a model that transformers can load"),
    "site": ({"model__sites": "encoder.layers.0"}, r"got 'encoder\.layers\.0'.*near: encoder\.layer\.N"),
    "site name": ({"model__sites": "mlps"}, r"model\.sites must be residual, mlp, attention"),
    "layer": ({"model__layers": "[0,3]"}, r"layer must be between 0 and 2 for .* \(0 = embeddings\), got 3"),
    "aggregation": ({"model__aggregation": "sentence_mean"}, r"a row for each word for property upos"),
    "part": ({"model__part": "decoder"}, r"model\.part must be encoder for a model of one part"),
    "adapter": ({"model__adapter": "{tmp}/empty"}, r"model\.adapter must be a folder with adapter_config\.json"),
    "quantise": ({"model__quantise": "2bit"}, r"model\.quantise must be one of none, 8bit, 4bit, got '2bit'"),
    "too long": ({"model__too_long": "cut"}, r"model\.too_long must be one of refuse, windows, got 'cut'"),
    "no subword": ({"model__no_subword": "unk"}, r"model\.no_subword must be one of refuse, drop, got 'unk'"),
    "device": ({"model__device": "tpu"}, r"model\.device must be one of auto, cpu, cuda, got 'tpu'"),
    "activations group": ({"activations": "ram"}, r"Could not find 'activations/ram'.*store"),
    "budget": ({"activations__subwords_per_batch": 0}, r"activations\.subwords_per_batch must be a whole number"),
    "memory": ({"activations__memory_limit": "much"}, r"activations\.memory_limit must be a number"),
    "store is a file": ({"activations__folder": "{tmp}/empty"}, r"activations\.folder must be a folder, got .*empty"),
    "epochs": ({"probe__epochs": 1.5}, r"probe\.epochs must be a whole number of at least 1, got 1\.5"),
    "lr": ({"probe__lr": "fast"}, r"probe\.lr must be a number"),
    "l1 list": ({"probe__l1": "[0.1,x]"}, r"probe\.l1 must be a number of at least 0, got 'x'"),
    "l1 empty": ({"probe__l1": "[]"}, r"probe\.l1 must be a number or a list of at least one, got \[\]"),
    "no such search": ({"search": "grid"}, r"Could not find 'search/grid'.*score"),
    "alpha": ({"search__alpha": -1}, r"search\.alpha must be a number of at least 0, got -1"),
    "no such ranking": ({"ranking": "best"}, r"Could not find 'ranking/best'.*lca"),
    "ranking target": ({"ranking__lca___target_": "neuronprobe.rankings.best"}, r"ranking can't be .*rankings\.best"),
    "no such callbacks": ({"callbacks": "all"}, r"Could not find 'callbacks/all'.*default, full, none"),
    "draws": ({"callbacks__ablation__draws": 0}, r"callbacks\.ablation\.draws must be a whole number of at least 1"),
    "sizes": ({"callbacks__retraining__sizes": 0.1}, r"callbacks\.retraining\.sizes must be a list of counts"),
    "salient": ({"callbacks__ranking__salient": 97}, r"callbacks\.ranking\.salient must be a count from 1 to 96"),
    "no such trainer": ({"trainer": "tpu"}, r"Could not find 'trainer/tpu'.*cpu, gpu"),
    "no such accelerator": ({"trainer__accelerator": "abacus"}, r"trainer can't be constructed.*abacus"),
    "no GPU": ({"trainer": "gpu"}, r"trainer can't be constructed.*(CUDA|gpu|GPU)"),
    "no such logger": ({"logger": "paper"}, r"Could not find 'logger/paper'.*csv, mlflow, none, tensorboard, wandb"),
    "no such experiment": ({"experiment": "mine"}, r"Could not find 'experiment/mine'.*ewt_xpos"),
    "broken override": ({"probe__l1": "[1,"}, r"no viable alternative at input '\[1,'"),
    "search share 0": ({"search__share": 0}, r"search\.share must be a number from 1e-06 to 1, got 0"),
    "large seed": ({"seed": 5_000_000_000}, r"seed must be a whole number from 0 to 4\.29497e\+09"),
    "allow string": ({"allow_targets": "os."}, r"allow_targets must be a list of packages, got 'os\.'"),
    "unwritable store": ({"activations__folder": "/proc/x"}, r"activations\.folder must be writable, got '/proc/x'"),
    "NaN": ({"probe__l1": "nan"}, r"probe\.l1 must be a number of at least 0, got nan"),
    "overflow": ({"probe__l1": 1e300, "search": "dev"}, r"keep weights finite, got NaN or infinity at l1=1e\+300"),
    "search by": ({"search__by": "luck"}, r"search\.by must be one of score, retrained_score, dev, got 'luck'"),
    "metric": ({"metric": "noise"}, r"metric must be one of auto, accuracy, macro_f1, r2"),
    "tested draws": ({"callbacks__ablation__tested_draws": -1}, r"tested_draws must be a whole number of at least 0"),
    "tolerance": (
        {"callbacks": "full", "callbacks__minimal_set__tolerances": "[0.01,2]"},
        r"tolerances must be fractions of accuracy between 0 and 1, got 2; one point is 0\.01",
    ),
    "minimal set search": (
        {"callbacks": "full", "callbacks__minimal_set__search": "luck"},
        r"callbacks\.minimal_set\.search must be one of bank, bisection, got 'luck'",
    ),
    "control draws": (
        {"callbacks": "full", "callbacks__selectivity__draws": 2},
        r"callbacks\.selectivity\.draws must be a whole number of at least 3, got 2",
    ),
    "no minimal set": (
        {"callbacks": "full", "callbacks__minimal_set": "null"},
        r"callbacks must hold minimal_set for selectivity",
    ),
    "no ranking": ({"ranking": "[]"}, r"ranking must be one or more rankings, got none"),
    "null for a list": ({"ranking": "null"}, r"a config group must have a choice, got null"),
    "epochs of the trainer": ({"trainer__max_epochs": 1}, r"trainer\.max_epochs must be probe\.epochs .*got 1"),
    "accumulated steps": (
        {"probe": "proximal", "+trainer__accumulate_grad_batches": 2},
        r"trainer\.accumulate_grad_batches must be 1 for probe=proximal, got 2",
    ),
    "fewest epochs of exact": (
        {**EXACT, "+trainer__min_epochs": 200}, r"trainer\.min_epochs and .* must not be set for probe=exact",
    ),
    "early end of exact": ({**EXACT, "+callbacks__stop": STOP}, r"callbacks must not stop probe=exact early"),
    "one study twice": ({"+callbacks__more": ABLATION}, r"callbacks must be different studies, got ablation more than"),
    "a study named search": ({"+callbacks__search": ABLATION}, r"callbacks must have another name than search"),
    "balanced values": (
        {"property": "word_length", "probe__class_weights": "balanced"}, r"probe\.class_weights=balanced",
    ),
    "search share": ({"search__share": 2}, r"search\.share must be a number from 1e-06 to 1, got 2"),
}  # fmt: skip


def test_the_table_of_bad_input_is_large() -> None:
    assert len(BAD) >= 50


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_ends_in_one_line(
    kind: str, run: Run, tmp_path: Path, tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "malformed").write_text("not a treebank\n")
    tiny_copy(tmp_path / "no-tokenizer", tiny_bert, "tokenizer*", "vocab*")
    tiny_copy(tmp_path / "no-weights", tiny_bert, "*.safetensors")
    (tiny_copy(tmp_path / "broken", tiny_bert) / "model.safetensors").write_bytes(b"broken")
    overrides, message = BAD[kind]
    assert run(**{key: str(value).replace("{tmp}", str(tmp_path)) for key, value in overrides.items()}) != 0
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert re.search(message, said[0]) and said[0].startswith("error: ")
    left = sorted(path.name for path in (tmp_path / "job").glob("*")) if (tmp_path / "job").exists() else []
    assert set(left) <= {"results.json", ".hydra", "job.log", "curves"}
    if "results.json" in left:
        assert results(tmp_path / "job")["status"] == "failed"


def test_a_label_that_train_lacks_is_counted_and_scored_as_wrong(
    run: Run, tmp_path: Path, small_treebank: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "test.conllu"
    path.write_text(Path(small_treebank["test"]).read_text().replace("\tNOUN\t", "\tNEW\t"))
    assert run(corpus__test=path) == 0
    assert "units have a label that train lacks; they are scored as wrong" in capsys.readouterr().out
    rows = results(tmp_path / "job")["rows"]
    unknown = next(r["value"] for r in rows if r["metric"] == "units_with_a_label_train_lacks" and r["split"] == "test")
    units = next(r["value"] for r in rows if r["metric"] == "units" and r["split"] == "test")
    accuracy = next(r["value"] for r in rows if r["study"] == "oracle" and r["split"] == "test")
    assert unknown > 0 and accuracy <= 1 - unknown / units


def treebank(path: Path, sentences: list[list[tuple[str, str]]]) -> Path:
    blocks = ["".join(f"{i}\t{word}\t_\t{label}" + "\t_" * 6 + "\n" for i, (word, label) in enumerate(sentence, 1))
              for sentence in sentences]  # fmt: skip
    path.write_text("\n".join(blocks) + "\n")
    return path


ODD = {
    "two labels and one of them once": [[("a", "X"), ("b", "X")]] * 30 + [[("c", "Y")]],
    "five hundred labels": [[(f"w{i}", f"L{i}"), (f"v{i}", f"L{(i * 7) % 500}")] for i in range(500)],
    "sentences of one word": [[("yes", "X")], [("no", "Y")]] * 20,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ODD)
def test_odd_corpora_end_well(kind: str, run: Run, tmp_path: Path) -> None:
    train = treebank(tmp_path / "train.conllu", ODD[kind])
    one = treebank(tmp_path / "one.conllu", [ODD[kind][0]])
    assert run(corpus__train=train, corpus__dev=one, corpus__test=one) == 0
    found = results(tmp_path / "job")
    assert found["status"] == "ok"
    labels = next(r["value"] for r in found["rows"] if r["metric"] == "labels" and r["split"] == "train")
    assert labels == len({label for sentence in ODD[kind] for _, label in sentence})


def test_blank_lines_and_comments_make_no_sentence(run: Run, tmp_path: Path, small_treebank: dict[str, str]) -> None:
    path = tmp_path / "dev.conllu"
    path.write_text("\n\n# text = nothing\n\n" + Path(small_treebank["dev"]).read_text() + "\n\n\n")
    assert run(corpus__dev=path) == 0
    rows = results(tmp_path / "job")["rows"]
    assert next(r["value"] for r in rows if r["metric"] == "sentences" and r["split"] == "dev") == 30


def test_help_is_fast_because_nothing_heavy_is_imported() -> None:
    code = (
        "import runpy, sys; sys.argv = ['train.py', '--help']\n"
        "try: runpy.run_path('train.py', run_name='__main__')\n"
        "finally: print(sorted({'torch', 'transformers', 'pytorch_lightning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().endswith("[]"), done.stderr
    assert "property: case, ccg, chunk" in done.stdout


def test_a_job_is_built_again_from_the_configuration_that_it_left(run: Run, tmp_path: Path) -> None:
    assert run(probe__epochs=1) == 0
    job = build(OmegaConf.load(tmp_path / "job" / ".hydra" / "config.yaml"))
    assert (job.fit.l1, job.fit.batch_size, list(job.ranks)) == ([0.0, 0.001], 32, ["lca", "magnitude"])
    assert isinstance(job.trainer.loggers[0].log_dir, str)


def test_settings_of_the_trainer_reach_the_probes_of_the_studies(run: Run, tmp_path: Path) -> None:
    small = {"callbacks__ablation": "null", "callbacks__stability": "null", "callbacks__ranking": "null"}
    small |= {"callbacks__ablation__sizes": None, "callbacks__ablation__draws": None}
    values = {}
    for name, batches in (("whole", "1.0"), ("one batch", "1")):
        own = {"hydra__run__dir": tmp_path / name, "+trainer__limit_train_batches": batches}
        assert run(callbacks__retraining__sizes="[0.5]", **small, **own) == 0
        rows = results(tmp_path / name)["rows"]
        values[name] = next(
            r["value"] for r in rows if (r["study"], r["set"], r["split"]) == ("retraining", "top", "test")
        )
    assert values["whole"] > values["one batch"] + 0.1


def chained(treebank: dict[str, str], folder: Path) -> dict[str, str]:
    """The same treebank with every word hanging on the one before it, by its part of speech."""
    paths = {}
    for split, path in treebank.items():
        lines = [line.split("\t") for line in Path(path).read_text(encoding="utf-8").splitlines()]
        for columns in lines:
            if len(columns) == 10 and columns[0].isdecimal():
                columns[6:8] = str(int(columns[0]) - 1), columns[3]
        paths[split] = str(folder / f"{split}.conllu")
        Path(paths[split]).write_text("\n".join(map("\t".join, lines)) + "\n", encoding="utf-8")
    return paths


def test_neurons_of_dependency_pairs_are_named_by_their_role(
    run: Run, tmp_path: Path, small_treebank: dict[str, str]
) -> None:
    paths = {f"corpus__{split}": path for split, path in chained(small_treebank, tmp_path).items()}
    assert run(property="dependency_pair", probe__epochs=1, **paths) == 0
    ranked = list(csv.DictReader((tmp_path / "job" / "ranking.csv").open(encoding="utf-8")))
    assert len(ranked) == 2 * 96 and {row["role"] for row in ranked} == {"head", "modifier"}
    assert "| modifier (" in (tmp_path / "job" / "report.md").read_text(encoding="utf-8")
    again = results(tmp_path / "job")["rows"]
    units = {row["split"]: row["value"] for row in again if (row["study"], row["metric"]) == ("corpus", "units")}
    words = {row["split"]: row["value"] for row in again if (row["study"], row["metric"]) == ("corpus", "words")}
    assert all(units[split] == words[split] - 30 for split in ("dev", "test"))  # each of 30 sentences has a root


def test_a_search_without_a_choice_is_refused_before_the_extraction(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("~search") != 0
    said = capsys.readouterr().err.strip()
    assert re.fullmatch(r"error: search must choose a probe .*got NoneType; choose search=dev\.", said)
