"""The package without Hydra: the README's lines as they stand, words in memory, a job read back."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import neuronprobe as npb
from neuronprobe.corpora import WordsCorpus, starter
from neuronprobe.errors import InputError
from tests.test_train import Run, run  # noqa: F401 (a fixture)

README = Path(__file__).parents[1] / "README.md"


def annotated(split: str, n: int) -> list[tuple[list[str], list[str | None]]]:
    sentences = list(starter().sentences(split))[:n]
    return [(list(s.words), list(s.annotations["upos"])) for s in sentences]


def test_the_lines_of_the_readme_run(tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)
    (code,) = re.findall(r"<!-- api -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    code = code.replace("google-bert/bert-base-cased", str(tiny_bert)).replace('"store"', repr(str(tmp_path / "store")))
    names = {split: annotated(split, 40) for split in ("train", "dev", "test")}
    exec(code, names)
    shown = capsys.readouterr()
    assert "lca 10 zero random" in shown.out and "magnitude 19 mean majority" in shown.out
    assert "litlogger" not in shown.err and "treespec" not in shown.err


def test_importing_the_package_loads_no_torch_and_every_name_is_there() -> None:
    code = "import sys, neuronprobe; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert all(getattr(npb, name) is not None for name in npb.__all__) and len(npb.__all__) < 16
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = npb.nothing


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ([], r"train must hold at least one sentence"),
        ([(["a", "b"], ["X"])], r"train, sentence 0, must be a list of words with as many labels, got .* and 1 labels"),
        ([("ab", ["X", "Y"])], r"train, sentence 0, must be a list of words"),
        ([([], [])], r"train, sentence 0"),
    ],
)
def test_words_that_do_not_fit_their_labels_are_refused(train: list, message: str) -> None:  # type: ignore[type-arg]
    good = [(["a"], ["X"])]
    with pytest.raises(InputError, match=message):
        WordsCorpus(train, good, good)


def test_a_job_is_read_back_from_its_folder(run: Run, tmp_path: Path) -> None:  # noqa: F811
    assert run() == 0
    job = npb.open_job(tmp_path / "job")
    assert job.verdict.startswith("No verdict") and job.config["seed"] == 0
    assert list(job.rankings) == ["lca", "magnitude"]
    assert all(sorted(map(job.table.flat, neurons)) == list(range(96)) for neurons in job.rankings.values())
    assert job.probe.weights.shape == (len(job.labels), 96)
    oracle = next(r for r in job.rows if (r["study"], r["split"], r["metric"]) == ("oracle", "test", "accuracy"))
    assert float(job.correct["oracle"].sum() / job.correct["units"].sum()) == pytest.approx(oracle["value"])
    with pytest.raises(InputError, match=r"folder must be that of a job, with results\.json"):
        npb.open_job(tmp_path)
    (tmp_path / "job" / "ranking.csv").write_text("what\n1\n")
    with pytest.raises(InputError, match=r"ranking\.csv must be a ranking of a job"):
        _ = npb.open_job(tmp_path / "job").rankings
