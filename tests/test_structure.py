"""The house keeps its floors: imports go down only, siblings don't meet; the README's commands are CI's."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "neuronprobe"
FLOORS = {
    "errors": 0, "types": 0, "neurons": 0, "corpora": 1, "properties": 1, "models": 1, "activations": 2,
    "probes": 3, "rankings": 4, "studies": 5, "callbacks": 6, "report": 6, "build": 7, "resume": 7, "store": 7,
    "train": 8,
}  # fmt: skip
GROUND = {"errors", "types", "neurons"}


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "neuronprobe":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neuronprobe."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("neuronprobe.")}
    return found


FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_only_and_siblings_do_not_meet(path: Path) -> None:
    here = room(path)
    for other in imports(path) - {here}:
        is_ground = here in GROUND and other in GROUND
        assert is_ground or FLOORS[other] < FLOORS[here], f"{here} must not import {other}"


def test_every_form_of_an_import_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import neuronprobe.studies\nfrom neuronprobe import report\n", encoding="utf-8")
    (tmp_path / "b.py").write_text("def late():\n    from neuronprobe.probes.fit import Fit\n", encoding="utf-8")
    assert imports(tmp_path / "a.py") == {"studies", "report"} and imports(tmp_path / "b.py") == {"probes"}


def test_every_room_has_its_floor() -> None:
    assert {room(path) for path in FILES} == set(FLOORS)


def test_ci_runs_the_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in ("run", "test"):
        assert re.search(rf"<!-- {name} -->\n```sh\n(.+)\n```", readme), f"the README marks its {name} command"
        assert f"readme_command {name}" in ci


def test_the_readme_shows_files_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", readme):
        assert (ROOT / target).exists(), target
