"""The package of examples, as its README has it: outside of ours, one of each thing that can be plugged in."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_the_readme_of_the_examples_shows_files_that_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) > 10 and all((EXAMPLES / link).exists() for link in links)


@pytest.mark.slow
def test_one_of_each_from_outside_makes_a_job(tmp_path: Path) -> None:
    found = re.search(r"```sh\nPYTHONPATH=examples python (.+)\n```", README)
    assert found
    where = [f"hydra.run.dir={tmp_path / 'job'}", f"activations.folder={tmp_path / 'store'}"]
    env = {**os.environ, "PYTHONPATH": f"{EXAMPLES}{os.pathsep}{ROOT / 'src'}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *found[1].split(), *where, "callbacks.ablation.tested_draws=39"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    job = tmp_path / "job"
    results = json.loads((job / "results.json").read_text(encoding="utf-8"))
    assert (results["status"], results["title"]) == ("ok", "number in slashes: letters")
    rows = {(row["study"], row["metric"], row["ranking"]): row["value"] for row in results["rows"]}
    assert rows["alphabet", "place_of_s", "heaviest"] == 0, "s tells a plural from a singular"
    assert ("alphabet", "place_of_s", "lca") in rows and rows["training", "optimizer_steps", None] >= 500
    with (job / "ranking.csv").open(encoding="utf-8") as file:
        assert next(csv.DictReader(file))["neuron"] == "18"
    assert (job / "letters.txt").read_text(encoding="utf-8").startswith("heaviest s")
    assert len((job / "epochs.txt").read_text(encoding="utf-8").split()) == 5
    assert "Neurons by heaviest" in done.stdout and "The letters that lead" in done.stdout
    assert "Linguistic Correlation Analysis" not in done.stdout
