"""The package where it was installed from its wheel: the command, in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a fresh environment with the wheel in it; what it depends on is this environment's."""
    pytest.importorskip("hatchling", reason="pip install hatchling to build the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip"]
    options = ["--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*pip, "wheel", "-q", *options, str(ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    (own,) = (folder / "env" / "lib").glob("python*/site-packages")
    (own / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    return python.parent


def run(*command: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "HYDRA_FULL_ERROR")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**env, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_the_installed_command_does_a_job_in_an_empty_folder(installed: Path, tmp_path: Path, tiny_bert: Path) -> None:
    where = run(installed / "python", "-c", "import neuronprobe; print(neuronprobe.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent), "the wheel, not the repository"
    shown = run(installed / "neuronprobe", "--help", cwd=tmp_path)
    assert "Most used:" in shown and "property: " in shown and list(tmp_path.iterdir()) == []
    settings = ["probe.epochs=1", "probe.l1=1e-3", "probe.l2=1e-3", "search=dev", "callbacks=none", "seed=0,1"]
    run(installed / "neuronprobe", "-m", "model=hf", f"model.name={tiny_bert}", *settings, cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["multirun", "store"]
    found = [json.loads(path.read_text()) for path in (tmp_path / "multirun").glob("*/*/results.json")]
    assert [one["status"] for one in found] == ["ok", "ok"]
    run(installed / "python", "-m", "neuronprobe.report", tmp_path / "multirun", cwd=tmp_path)
    assert (tmp_path / "multirun" / "jobs.csv").is_file()
    assert "# property" in run(installed / "python", "-m", "neuronprobe.docs", "property/upos", cwd=tmp_path)
