"""An extraction in several processes, as srun and torchrun start them: the same store, and an end where one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.test_train import ROOT

SMALL_CHUNKS = """
import sys
from neuronprobe.activations import extraction
extraction.CHUNK_BYTES = 40 * 4 * 96
from neuronprobe.command import ended
from neuronprobe.extract import run
sys.exit(ended(run))
"""
"""The command with some forty words in a chunk."""
SLOWLY = """
import time
from neuronprobe.models import FrozenTransformer
read = FrozenTransformer.chunk
FrozenTransformer.chunk = lambda *words: time.sleep(0.3) or read(*words)
"""


@pytest.fixture(scope="module")
def words(tiny_bert: Path, small_treebank: dict[str, str]) -> list[str]:
    files = [f"corpus.{split}={path}" for split, path in small_treebank.items()]
    return ["corpus=conllu", *files, "model=hf", f"model.name={tiny_bert}"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("command") / "small.py"
    path.write_text(SMALL_CHUNKS)
    return str(path)


@pytest.fixture(scope="module")
def of_one(tmp_path_factory: pytest.TempPathFactory, small: str, words: list[str]) -> dict[str, bytes]:
    """The store that one process makes."""
    store = tmp_path_factory.mktemp("of-one") / "store"
    alone = start(small, *words, f"activations.folder={store}")
    _, said = alone.communicate(timeout=300)
    assert alone.returncode == 0, said
    found = contents(store)
    assert len(found) == 3 * 4
    return found


def free_port() -> str:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def start(*command: str, **environment: str) -> subprocess.Popen[str]:
    own = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    both: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, *command], cwd=ROOT, env=own, text=True, **both)


def by_srun(count: int, *command: str) -> list[subprocess.Popen[str]]:
    """The processes of a step as Slurm starts them, all on this machine."""
    step = {"SLURM_STEP_NUM_TASKS": str(count), "SLURM_NTASKS": str(count), "SLURM_STEP_NODELIST": "127.0.0.1"}
    step |= {"SLURM_JOB_ID": "4711", "MASTER_PORT": free_port()}
    return [start(*command, **step, SLURM_PROCID=str(n), SLURM_LOCALID=str(n)) for n in range(count)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/*"))}


@pytest.mark.slow
def test_the_store_of_several_processes_is_that_of_one(
    tmp_path: Path, small: str, words: list[str], of_one: dict[str, bytes]
) -> None:
    stores = {name: f"activations.folder={tmp_path / name}" for name in ("srun", "torchrun")}
    step = by_srun(3, small, *words, stores["srun"])
    said = [one.communicate(timeout=300) for one in step]
    assert [one.returncode for one in step] == [0, 0, 0], said
    assert [out.count("extracted into") for out, _ in said] == [3, 0, 0], "one speaks"
    torchrun = start("-m", "torch.distributed.run", "--nproc-per-node=2", small, *words, stores["torchrun"])
    assert torchrun.wait(300) == 0, torchrun.communicate()
    assert contents(tmp_path / "srun") == of_one == contents(tmp_path / "torchrun")


@pytest.mark.slow
@pytest.mark.parametrize("dies", [0, 1])
def test_where_one_process_dies_the_other_ends_and_the_same_command_goes_on(
    dies: int, tmp_path: Path, small: str, words: list[str], of_one: dict[str, bytes]
) -> None:
    store = tmp_path / "store"
    (tmp_path / "slow.py").write_text(SLOWLY + SMALL_CHUNKS)
    step = by_srun(2, str(tmp_path / "slow.py"), *words, f"activations.folder={store}")
    while all(one.poll() is None for one in step) and not list(store.glob("*.partial/progress.json")):
        time.sleep(0.05)
    step[dies].send_signal(signal.SIGKILL)
    _, said = step[1 - dies].communicate(timeout=300)
    assert step[1 - dies].returncode == 2
    assert said.startswith("error: all processes of the extraction must go on, got one that has ended")
    assert said.count("\n") == 1, "one line"
    step[dies].communicate()
    assert list(store.glob("*.partial")), "what is extracted is kept"
    again = start(small, *words, f"activations.folder={store}")
    out, said = again.communicate(timeout=300)
    assert again.returncode == 0 and "going on after" in out, said
    assert contents(store) == of_one


@pytest.mark.slow
def test_a_job_is_not_started_several_times(tmp_path: Path) -> None:
    folder = f"hydra.run.dir={tmp_path / 'job'}"
    for one in by_srun(2, "train.py", folder, "model=bert_tiny"):
        _, said = one.communicate(timeout=300)
        assert one.returncode == 2
        assert said.startswith("error: the command must be started once, got 2 processes (srun, torchrun)")
    assert not (tmp_path / "job").exists(), "no folder of a job that does not run"
