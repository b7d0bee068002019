"""The Penn Treebank's trees (Marcus et al. 1993): words and their tags, from a folder of the user's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from neuronprobe.corpora.files import lines
from neuronprobe.corpora.splits import SplitCorpus
from neuronprobe.errors import InputError
from neuronprobe.types import Sentence

LEAF = re.compile(r"\(([^\s()]+)\s+([^\s()]+)\)")
OTHERS = re.compile(r"\(\s*[^\s()]*|[\s)]+")
"""All of a tree but its leaves: brackets and what phrases are called."""
NOTHING = "-NONE-"
"""The tag of traces, which are no words."""
BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}
ESCAPED = re.compile(r"\\([/*])")
SECTIONS = {"train": range(19), "dev": range(19, 22), "test": range(22, 25)}
"""Of the Wall Street Journal, the customary ones for tags."""


class PennCorpus(SplitCorpus):
    """Trees in brackets: each is a sentence, its leaves are words with the label `xpos`, traces left out."""

    kind = "Penn Treebank"

    def read(self, source: Path) -> Iterator[Sentence]:
        """The sentences of one file. Raises InputError where brackets don't close."""
        tree, depth, count, first = "", 0, 0, 1
        for number, line in lines(source):
            if not tree:
                first = number
            tree += f" {line}" if line.strip() else ""
            depth += line.count("(") - line.count(")")
            if depth == 0 and tree:
                if words := _words(tree, f"{source}, line {first},"):
                    count += 1
                    forms, tags = zip(*words, strict=True)
                    yield Sentence(f"{source.stem}-{count}", forms, {"xpos": tags}, document=source.stem)
                else:
                    self.passed[source]["trees_of_traces_passed_over"] += 1
                tree = ""
            if depth < 0:
                raise InputError(f"{source}, line {number}, must close no more brackets than are open, got one more.")
        if tree:
            raise InputError(f"{source}, line {first}, must begin a tree that ends, got open brackets at the end.")


def penn(folder: str, sections: Any = None, **others: Any) -> PennCorpus:
    """The folder of the sections (`00` to `24`, with `*.mrg` files). Raises InputError where one is not there."""
    chosen = SECTIONS | dict(sections or {})
    files = {split: _files(Path(folder).expanduser(), split, numbers) for split, numbers in chosen.items()}
    return PennCorpus(files["train"], files["dev"], files["test"], **others)


def _files(folder: Path, split: str, numbers: Sequence[int]) -> list[str]:
    found = [str(folder / f"{number:02d}" / "*.mrg") for number in numbers if (folder / f"{number:02d}").is_dir()]
    if not found:
        raise InputError(
            f"corpus.folder must hold the treebank's sections (00 to 24), got {str(folder)!r} without those of {split}."
        )
    return found


def _words(tree: str, where: str) -> list[tuple[str, str]]:
    found = [(_form(form), tag) for tag, form in LEAF.findall(tree) if tag != NOTHING]
    if not LEAF.search(tree) or (rest := OTHERS.sub("", LEAF.sub(" ", tree))):
        got = rest if LEAF.search(tree) else tree.strip()
        raise InputError(f"{where} must begin a tree whose words are leaves, (TAG word), got {got[:40]!r}.")
    return found


def _form(form: str) -> str:
    return BRACKETS.get(form, ESCAPED.sub(r"\1", form))
