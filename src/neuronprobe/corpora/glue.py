"""The GLUE tasks (Wang et al. 2019) as their files are published: TSV whose quotes are text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neuronprobe.corpora.sentences import SentencesCorpus
from neuronprobe.errors import InputError, choice

COLUMNS: dict[str, tuple[Any, Any]] = {
    "cola": (3, 1), "sst2": ("sentence", "label"), "mrpc": (["#1 String", "#2 String"], "Quality"),
    "qqp": (["question1", "question2"], "is_duplicate"), "stsb": (["sentence1", "sentence2"], "score"),
    "mnli": (["sentence1", "sentence2"], "gold_label"), "qnli": (["question", "sentence"], "label"),
    "rte": (["sentence1", "sentence2"], "label"), "wnli": (["sentence1", "sentence2"], "label"),
}  # fmt: skip
"""Where text and label stand, by name as MNLI's train and dev have other columns. CoLA has no header, and begins with
the source of the sentence."""


def glue(task: str, folder: str, held_out: int = 1000, name: str | None = None, **others: Any) -> SentencesCorpus:
    """A task by its folder (train.tsv, dev.tsv): dev is test, whose own labels are not public, and the last `held_out`
    sentences of train are dev. Of MNLI it is the matched one. Rows that are broken as published (QQP has some) are
    dropped and counted. Raises InputError where a file is not there.
    """
    text, label = COLUMNS[choice("corpus.task", task, COLUMNS)]
    files = [next(iter(sorted(Path(folder).expanduser().glob(one))), None) for one in ("train.tsv", "dev*.tsv")]
    if None in files:
        raise InputError(f"corpus.folder must hold train.tsv and dev.tsv of {task}, got {folder!r} without.")
    train, test = map(str, files)
    return SentencesCorpus(
        train, None, test, text=text, label=label, quoted=False, broken="drop", held_out=held_out, name=name or task,
        **others,
    )  # fmt: skip
