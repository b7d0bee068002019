"""Every config group, choice and key, in the words of the YAMLs' own comments.

`python -m neuronprobe.docs [GROUP[/CHOICE]]` prints them. `python -m neuronprobe.docs --site FOLDER` writes them and
the Python API as pages; with the extra `neuronprobe[docs]`, `mkdocs build --strict -f FOLDER/mkdocs.yml` makes a site
of these.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from omegaconf import OmegaConf

from neuronprobe.command import CONF, ended
from neuronprobe.errors import InputError, choice
from neuronprobe.writing import write_bytes

PACKAGE = Path(__file__).parent
ROOMS = (
    "training", "types", "neurons", "corpora", "properties", "targets", "models", "activations", "probes", "rankings",
    "studies", "jobs", "callbacks",
)  # fmt: skip
"""What the pages of the API are about."""
OPTIONS = {"show_source": False, "docstring_style": None, "merge_init_into_class": True, "members_order": "source"}
SETTINGS = {
    "site_name": "neuronprobe",
    "docs_dir": "pages",
    "theme": {"name": "material", "palette": [
        {"media": "(prefers-color-scheme: light)", "scheme": "default"},
        {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
    ]},
    "plugins": ["search", {"mkdocstrings": {"handlers": {"python": {
        "paths": [str(PACKAGE.parent)], "options": {"show_root_heading": True, "heading_level": 2, **OPTIONS},
    }}}}],
    "markdown_extensions": ["pymdownx.highlight", "pymdownx.superfences"],
}  # fmt: skip
"""Of mkdocs."""


def groups() -> list[str]:
    """The config groups, as an override names them."""
    found = {path.parent.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml")}
    return sorted(found - {".", "hydra/help"})


def described(group: str, name: str | None = None) -> str:
    """A group with its choices, or one of these, as Markdown. Raises InputError where there is none."""
    folder = CONF / choice("group", group, groups())
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    chosen = names if name is None else [choice(f"choice of {group}", name, names)]
    parts = [_choice(f"{group}={one}", folder / f"{one}.yaml") for one in chosen]
    return "\n\n".join([f"# {group}", *parts])


def help_text() -> str:
    """What --help says, without the list of choices."""
    text = OmegaConf.load(CONF / "hydra" / "help" / "neuronprobe.yaml").template
    return str(text.split("\nChoices:")[0])


def write_site(folder: Path) -> None:
    """The pages and the settings of mkdocs."""
    pages = {"index": f"# neuronprobe\n\n```text\n{help_text()}\n```", "job": "\n\n".join(_job())}
    pages |= {f"groups/{group.replace('/', '_')}": described(group) for group in groups()}
    pages |= {f"api/{room}": _api(f"neuronprobe.{room}") for room in ROOMS}
    for name, text in pages.items():
        path = folder / "pages" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, f"{text}\n".encode())
    write_bytes(folder / "mkdocs.yml", OmegaConf.to_yaml(OmegaConf.create(SETTINGS)).encode())


def main() -> int:
    """Print or write; 2 on bad input."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m neuronprobe.docs", description=__doc__, formatter_class=raw)
    parser.add_argument("what", nargs="?", metavar="GROUP[/CHOICE]", help="all, if it is left out")
    parser.add_argument("--site", type=Path, metavar="FOLDER", help="write pages for mkdocs")
    given = parser.parse_args()
    try:
        if given.site is not None:
            write_site(given.site)
        else:
            print(_asked(given.what))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _asked(what: str | None) -> str:
    if what is None:
        return "\n\n".join([*_job(), *map(described, groups())])
    group, _, name = what.rpartition("/") if what not in groups() else (what, "", None)
    return described(group or what, name if group else None)


def _api(room: str) -> str:
    """What a room offers, each thing by the file that it is in."""
    module = import_module(room)
    homes = {name: str(getattr(getattr(module, name), "__module__", "")) for name in getattr(module, "__all__", ())}
    where = [f"{home}.{name}" for name, home in homes.items() if home.startswith(room)]
    return "\n\n".join([f"# {room}", str(module.__doc__), *(f"::: {path}" for path in where or [room])])


def _job() -> Iterator[str]:
    yield "# The job"
    yield _choice("config", CONF / "config.yaml")


def _choice(title: str, path: Path) -> str:
    """A YAML: its first comment as text, the rest as it is written."""
    lines = path.read_text(encoding="utf-8").splitlines()
    n_first = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    about = [line.lstrip("# ") for line in lines[:n_first] if "@package" not in line]
    body = "\n".join(lines[n_first:])
    return f"## {title}\n\n{' '.join(about)}\n\n```yaml\n{body}\n```"


if __name__ == "__main__":
    sys.exit(ended(main))
