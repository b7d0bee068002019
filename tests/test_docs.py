"""Help and documentation name all that there is, and what they name is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, ListConfig, OmegaConf

from neuronprobe import docs
from neuronprobe.command import CONF
from neuronprobe.errors import InputError

ROOT = Path(__file__).parents[1]
YAMLS = sorted(path for path in CONF.rglob("*.yaml") if path.parent.name != "help")


def part(heading: str) -> list[tuple[str, str]]:
    """The lines of one part of --help: what is named, and what is said of it."""
    lines = docs.help_text().split(f"\n{heading}")[1].split("\n\n")[0].splitlines()[1:]
    found = [re.split(r" {2,}", line.strip(), maxsplit=1) for line in lines]
    assert all(len(one) == 2 and one[1] for one in found), "each has a meaning"
    return [(named, meaning) for named, meaning in found]


def test_help_says_what_each_group_is() -> None:
    groups = [named for named, _ in part("Groups")]
    assert sorted(groups) == [group for group in docs.groups() if not group.startswith("hydra/")]


def test_help_has_ten_overrides_that_can_be_composed() -> None:
    used = [named for named, _ in part("Most used")]
    assert len(used) == 10
    for words in used:
        overrides = [word for word in words.split() if word != "-m" and "hydra." not in word]
        overrides = [word.split(",")[0] for word in overrides] if "-m" in words else overrides
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            compose("config", overrides)


def test_help_has_the_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {re.match(r"python -m neuronprobe\.\w+( compare)?", command) for command, _ in part("Commands")}
    commands = {found[0] for found in named if found}
    assert commands == {found[0] for found in re.finditer(r"python -m neuronprobe\.\w+( compare)?", readme)}
    for command in commands:
        assert (ROOT / "src" / f"{command.split()[2].replace('.', '/')}.py").exists() or "report" in command


def keys(node: object) -> set[str]:
    """All keys of a YAML, at any depth."""
    if isinstance(node, DictConfig):
        return {str(key) for key in node} | {key for name in node for key in keys(node._get_node(name))}
    return {key for one in node for key in keys(one)} if isinstance(node, ListConfig) else set()


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.relative_to(CONF).as_posix())
def test_every_choice_has_all_of_its_keys_and_comments(path: Path) -> None:
    group = path.parent.relative_to(CONF).as_posix()
    text = docs._asked(None if group == "." else f"{group}/{path.stem}")
    assert f"## {group}={path.stem}" in text or group == "."
    for key in keys(OmegaConf.load(path)):
        assert re.search(rf"(^|[\s{{,/]){re.escape(key)}:", text, re.MULTILINE), key
    plain = " ".join(text.split())
    for comment in re.findall(r"# (?!@package)(.+)", path.read_text(encoding="utf-8")):
        assert " ".join(comment.split()) in plain, comment


@pytest.mark.parametrize(
    ("what", "said"), [("nothing", "group must be one of"), ("model/x", "choice of model must be one of")]
)
def test_what_is_not_there_is_said_in_one_line(what: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        docs._asked(what)


@pytest.mark.parametrize("command", [["train.py", "--help"], ["-m", "neuronprobe.docs"]], ids=" ".join)
def test_a_reader_that_has_enough_gives_no_traceback(command: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, "")


@pytest.mark.slow
def test_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="pip install 'neuronprobe[docs]' to build the pages")
    docs.write_site(tmp_path)
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "--strict", "-f", str(tmp_path / "mkdocs.yml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    site = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("index.html")}
    assert {f"groups/{group.replace('/', '_')}/index.html" for group in docs.groups()} < site
    for room, shown in (
        ("rankings", "neuronprobe.rankings.lca.lca"),
        ("types", "neuronprobe.types.Ranking.from_scores"),
    ):
        assert f'id="{shown}"' in (tmp_path / "site" / "api" / room / "index.html").read_text(encoding="utf-8")
