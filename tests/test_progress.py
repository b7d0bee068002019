"""Bars where people look on, a line for each stage everywhere, and libraries that keep quiet."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from neuronprobe.progress import bar, counted, is_first_process, stage

ROOT = Path(__file__).parents[1]

TWO = """
import logging, sys, warnings
from neuronprobe.progress import ScreenHandler, bar, stage

logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[ScreenHandler()])
try:
    with stage("stability"), bar("other seeds", 3) as advance:
        advance(2)
        logging.warning("seeds differ")
        warnings.warn("a library speaks")
        raise KeyError("stop")
except KeyError:
    print("left")
"""


def at_a_terminal(*command: str, **environment: str) -> str:
    """What a command writes to a terminal of 100 columns."""
    shown, inside = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100", "TERM": "xterm", **environment}
    with subprocess.Popen(command, cwd=ROOT, stdout=inside, stderr=inside, stdin=inside, env=env) as process:
        os.close(inside)
        found = b""
        while True:
            try:
                more = os.read(shown, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not more:
                break
            found += more
    os.close(shown)
    assert process.returncode == 0, found.decode()[-3000:]
    return found.decode()


def is_on_a_line_of_its_own(line: str, shown: str) -> bool:
    """Behind a new line or an erased one."""
    return bool(re.search(r"(\n|\r|\x1b\[2K)" + re.escape(line), shown))


def test_bars_stand_below_what_is_said_and_go_when_their_stage_does() -> None:
    shown = at_a_terminal(sys.executable, "-c", TWO)
    assert re.search(r"other seeds .*[02]/3", shown)
    for line in ("seeds differ", "left"):
        assert is_on_a_line_of_its_own(line, shown), line
    assert "a library speaks" in shown
    assert shown.rstrip().endswith("left") and shown.count("\x1b[?25l") == shown.count("\x1b[?25h"), (
        "the cursor is back"
    )


def test_processes_that_train_together_speak_once() -> None:
    assert "other seeds" not in at_a_terminal(sys.executable, "-c", TWO, LOCAL_RANK="1")


def test_without_a_terminal_a_stage_is_a_line(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):  # a job that ran before may have left them
        monkeypatch.delenv(name, raising=False)
    with caplog.at_level("INFO"), stage("stability"), bar("other seeds", 3) as advance:
        advance(1)
    assert caplog.messages == ["stability"] and "other seeds" not in capsys.readouterr().out


def test_which_process_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    assert is_first_process()
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert not is_first_process()
    monkeypatch.setenv("RANK", "0")
    assert is_first_process(), "of a job's own processes"


def test_things_are_counted() -> None:
    assert [counted(n, "probe") for n in (1, 20, 2000)] == ["1 probe", "20 probes", "2,000 probes"]


WITHOUT_HYDRA = """
import sys
import neuronprobe as npb
from neuronprobe.probes import Member

splits = [[((f"{name}{i}", "of", "x"), ("NOUN", "ADP", "X")) for i in range(40)] for name in "abc"]
model = npb.FrozenTransformer(sys.argv[1])
data = npb.ActivationsDataModule(npb.WordsCorpus(*splits), npb.WordProperty(), model, folder=sys.argv[2])
fit = npb.Fit(l1=[0.0, 1e-3], l2=1e-4, batch_size=1, epochs=4)
data.prepare_data(), data.setup()
fit([Member()], data.split("train"))
npb.train(data, fit)
"""


@pytest.mark.slow
def test_a_job_at_a_terminal_names_what_it_does_and_what_is_left(
    tmp_path: Path, tiny_bert: Path, small_treebank: dict[str, str]
) -> None:
    files = [f"corpus.{split}={path}" for split, path in small_treebank.items()]
    settings = ["probe.epochs=2", "probe.l1=[0.0,1e-3]", "probe.l2=1e-4", "callbacks.ablation.tested_draws=39"]
    where = [f"activations.folder={tmp_path / 'store'}", f"hydra.run.dir={tmp_path / 'job'}"]
    command = [sys.executable, "train.py", "corpus=conllu", *files, "model=hf", f"model.name={tiny_bert}"]
    shown = at_a_terminal(*command, *settings, *where, OMP_NUM_THREADS="1")
    for name in ("extracting train", "training 3 probes", "scoring 3 probes", "other seeds", "training 6 probes"):
        assert f"{name} " in shown, name
    assert re.search(r"training 3 probes .*?\d+/\d+, 0:00:\d\d left", shown), "what is left"
    for study in ("lambda search", "stability", "ablation", "retraining"):
        assert re.search(rf"{study} \(study \d of 6\)", shown), study
    assert "v_num" not in shown and "Tip" not in shown
    for line in ("stability (study 2 of 6)", "rankings of two"):
        assert is_on_a_line_of_its_own(line, shown), line
    log = (tmp_path / "job" / "job.log").read_text(encoding="utf-8")
    assert re.search(r"^\[20\d\d-[^]]+\] stability \(study 2 of 6\)$", log, re.MULTILINE)


def test_without_hydra_libraries_are_silent(tmp_path: Path, tiny_bert: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_HYDRA, str(tiny_bert), str(tmp_path / "store")]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
