"""The house keeps its floors: imports go down only, siblings don't meet; the README's commands are CI's."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "neuronprobe"
FLOORS = {
    "errors": 0, "drawing": 0, "types": 0, "neurons": 0, "ordering": 0, "progress": 0, "quiet": 0, "shown": 0,
    "writing": 0, "processes": 0, "words": 0,
    "corpora": 1, "properties": 1, "targets": 1, "models": 1, "activations": 2, "probes": 3, "rankings": 4,
    "portraits": 3, "studies": 5, "jobs": 5, "callbacks": 6, "report": 6, "tracking": 6,
    "build": 7, "training": 7, "resume": 7, "store": 7, "docs": 7, "command": 2, "sweeps": 8, "run": 8, "extract": 8,
    "gallery": 8, "several": 9,
    "__main__": 10,
}  # fmt: skip
"""A `__main__` is a command: above all rooms, whichever it lies in."""
GROUND = {"errors", "types", "neurons", "ordering", "shown", "writing", "processes", "words"}
MODELS = {"source": 0, "network": 1, "sites": 2, "formats": 3, "transformer": 3}
"""The floors inside `models`."""


def room(path: Path, house: Path = SOURCE) -> str:
    return "__main__" if path.name == "__main__.py" else path.relative_to(house).parts[0].removesuffix(".py")


def imports(path: Path, package: str = "neuronprobe") -> set[str]:
    """What a file imports of a package, by the first name behind the package's own."""
    named = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} must import by whole names"
            named |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
    return {name.removeprefix(f"{package}.").split(".")[0] for name in named if name.startswith(f"{package}.")}


FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")
FILES_OF_MODELS = [path for path in FILES if room(path) == "models" and path != SOURCE / "models" / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_only_and_siblings_do_not_meet(path: Path) -> None:
    here = room(path)
    for other in imports(path) - {here}:
        is_ground = here in GROUND and other in GROUND
        assert is_ground or FLOORS[other] < FLOORS[here], f"{here} must not import {other}"


@pytest.mark.parametrize("path", FILES_OF_MODELS, ids=lambda path: str(path.relative_to(SOURCE)))
def test_inside_models_imports_go_down_too(path: Path) -> None:
    here = room(path, SOURCE / "models")
    for other in imports(path, "neuronprobe.models") - {here}:
        assert other in MODELS and MODELS[other] < MODELS[here], f"{here} must not import {other}"
    if here == "formats":
        names = {"neuronprobe.models.sites": {"site"}, "neuronprobe.models.network": set()}
        assert all(imports(path, package) <= allowed for package, allowed in names.items()), (
            "only what sites are called"
        )


def test_every_form_of_an_import_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import neuronprobe.studies\nfrom neuronprobe import report\n", encoding="utf-8")
    (tmp_path / "b.py").write_text("def late():\n    from neuronprobe.probes.fit import Fit\n", encoding="utf-8")
    assert imports(tmp_path / "a.py") == {"studies", "report"} and imports(tmp_path / "b.py") == {"probes"}
    assert imports(tmp_path / "b.py", "neuronprobe.probes") == {"fit"}


def test_every_room_has_its_floor() -> None:
    assert {room(path) for path in FILES} == set(FLOORS)
    assert {room(path, SOURCE / "models") for path in FILES_OF_MODELS} == set(MODELS)


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
