"""Several properties in one job: as jobs of their own, with one pass over the text and one extraction."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from neuronprobe.errors import InputError
from neuronprobe.several import overrides
from neuronprobe.words import for_hydra
from tests import test_train
from tests.test_train import Run, results

run = test_train.run

FEW: dict[str, Any] = {"callbacks": "none", "search": "dev", "probe__epochs": 1, "probe__l1": 0.0, "probe__l2": 1e-4}
FEW |= dict.fromkeys([f"callbacks__{name}" for name in ("ablation__sizes", "retraining__sizes")])
FEW |= dict.fromkeys([f"callbacks__{name}" for name in ("ablation__draws", "retraining__draws")])


def numbers(folder: Path) -> list[dict[str, Any]]:
    return list(results(folder)["rows"])


def test_each_property_has_the_rows_of_a_job_of_its_own(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["property=[xpos,concept]", "properties.concept.pattern='^[A-Z]'"]
    assert run(*words, **FEW) == 0
    said = capsys.readouterr().out
    assert said.count("extracted into") == 3 and "read from the store" not in said and said.count("to extract") == 1
    job = tmp_path / "job"
    lines = list(csv.DictReader((job / "jobs.csv").open()))
    assert [(line["job"], line["property"], line["status"]) for line in lines] == [
        ("concept", "concept", "ok"), ("xpos", "xpos", "ok"),
    ]  # fmt: skip
    assert results(job / "xpos")["config"]["property"]["name"] == "xpos" and (job / "xpos" / "report.html").is_file()
    assert not (job / "results.json").exists()
    alone = {"hydra__run__dir": tmp_path / "alone", "property": "xpos"}
    assert run(**FEW, **alone) == 0
    assert numbers(tmp_path / "alone") == numbers(job / "xpos")

    before = (job / "xpos" / "results.json").stat().st_mtime_ns
    assert run("property=[xpos,concept,upos]", words[1], **FEW) == 0
    assert "already finished, skipped: xpos, concept" in capsys.readouterr().out
    assert (job / "xpos" / "results.json").stat().st_mtime_ns == before and numbers(job / "upos")
    assert run("property=[xpos,upos]", **FEW, seed=1) == 0, "another configuration is another job"
    assert (job / "xpos" / "results.json").stat().st_mtime_ns != before


def test_a_property_that_fails_is_named_and_the_others_go_on(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("property=[ner,upos,concept]", **FEW) == 1
    said = capsys.readouterr()
    last = said.err.strip().splitlines()[-1]
    assert last.startswith("error: 3 properties must end well, got 2 that failed: ner: property must be one of lemma, ")
    assert "; concept: property must have one of property.words" in last and "Traceback" not in said.err
    job = tmp_path / "job"
    assert [results(job / name)["status"] for name in ("ner", "upos", "concept")] == ["failed", "ok", "failed"]
    lines = {line["job"]: line["status"] for line in csv.DictReader((job / "jobs.csv").open())}
    assert lines == {"concept": "failed", "ner": "failed", "upos": "ok"}


def test_words_and_sentences_cannot_share_rows(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("property=[upos,sentence]", **FEW) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: properties must be all of words or all of sentences") and "\n" not in said
    assert "got upos (word), sentence (sentence); " in said and "-m property=upos,sentence." in said
    assert results(tmp_path / "job")["status"] == "failed" and not (tmp_path / "store").exists()
    assert run("property=[upos,xpos]", **FEW, trainer__devices=2) == 1
    assert "trainer.devices must be 1 for several properties in one job" in capsys.readouterr().err


def test_a_sweep_has_jobs_of_several_properties(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["-m", "property=[upos,xpos]", "seed=0,1"]
    sweep = {**FEW, "hydra__run__dir": None, "hydra__sweep__dir": tmp_path / "sweep"}
    assert run(*words, **sweep) == 0
    lines = list(csv.DictReader((tmp_path / "sweep" / "jobs.csv").open()))
    assert [line["job"] for line in lines] == ["0/upos", "0/xpos", "1/upos", "1/xpos"]
    capsys.readouterr()
    assert run(*words, **sweep) == 0
    assert "2 jobs already finished, skipped" in capsys.readouterr().out


def test_a_list_of_properties_is_a_choice_for_each() -> None:
    assert for_hydra(["property=[upos, chunk]", "seed=1"]) == [
        "+property@properties.upos=upos", "+property@properties.chunk=chunk", "seed=1",
    ]  # fmt: skip
    assert for_hydra(["property=[upos]", "property.min_count=2"]) == ["property=upos", "property.min_count=2"]
    assert for_hydra(["property=upos,xpos"]) == ["property=upos,xpos"]
    for words, message in {
        ("property=[upos,xpos],[sem]",): r"must be a name or one list of names, .*-m property=upos,xpos",
        ("property=[upos,]",): "must be a name or one list of names",
        ("property=[upos,upos]",): "must be a list of different properties",
        ("property=[a,b]", "property.name=c"): r"got 'property\.name=c'; write properties\.a\.name=c\.",
    }.items():
        with pytest.raises(InputError, match=message):
            for_hydra(words)


def test_what_is_said_of_one_property_is_its_own() -> None:
    words = ["+property@properties.a=feature", "properties.a.name=N", "+property@properties.b=upos", "seed=1"]
    assert overrides("a", words) == ["property=feature", "property.name=N", "seed=1"]
    assert overrides("b", words) == ["property=upos", "seed=1"]
