"""Corpora by their folders: treebanks of Universal Dependencies, GLUE tasks, the Penn Treebank."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuronprobe.corpora import SPLITS, glue, penn, treebank
from neuronprobe.errors import InputError

WORD = "1\tIt\tit\tPRON\tPRP\t_\t0\troot\t_\t_\n"


def write(folder: Path, **texts: str) -> str:
    """The folder, with files in it; `__` in a name is a dot."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return str(folder)


def test_a_treebank_is_known_by_the_names_of_its_files(tmp_path: Path) -> None:
    texts = {f"xx_tiny-ud-{split}__conllu": f"# sent_id = {split}\n" + WORD for split in SPLITS}
    folder = write(tmp_path / "UD_Xx", **texts, **{"README__md": "about"})
    found = treebank(folder)
    assert found.name == "xx_tiny" and [next(found.sentences(split)).id for split in SPLITS] == list(SPLITS)
    assert treebank(folder, name="mine").name == "mine"
    (tmp_path / "UD_Xx" / "xx_tiny-ud-train.conllu").unlink()
    with pytest.raises(InputError, match=r"must hold files for train, dev and test .* got none for train in .*ratios="):
        treebank(folder)
    with pytest.raises(InputError, match=r"corpus\.folder must hold a treebank \(\*\.conllu\), got '.*nowhere'"):
        treebank(str(tmp_path / "nowhere"))


MRPC = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
QNLI = "index\tquestion\tsentence\tlabel\n"
GLUE = {
    "cola": ('gj04\t1\t\tIt "works .\n', ("It", '"works', "."), None, "1"),
    "mrpc": (MRPC + '1\t7\t8\tOne "a\tTwo b\n', ("One", '"a', "Two", "b"), 2, "1"),
    "qnli": (QNLI + "0\tWho ?\tShe .\tentailment\n", ("Who", "?", "She", "."), 2, "entailment"),
    "stsb": ("index\tgenre\tsentence1\tsentence2\tscore\n0\tx\tA b\tC\t3.250\n", ("A", "b", "C"), 2, "3.250"),
}  # fmt: skip


@pytest.mark.parametrize("task", GLUE)
def test_a_task_of_glue_is_read_as_its_files_are_published(task: str, tmp_path: Path) -> None:
    text, words, second, label = GLUE[task]
    rows = text.splitlines()
    folder = write(tmp_path / task, train__tsv="\n".join([*rows, rows[-1]]) + "\n", dev__tsv=text)
    found = glue(task, folder, held_out=1)
    assert found.name == task
    for split in SPLITS:
        (sentence,) = found.sentences(split)
        assert (sentence.words, sentence.second, sentence.labels) == (words, second, {"label": label})
    with pytest.raises(InputError, match=r"corpus\.task must be one of cola, sst2, .* got 'squad'"):
        glue("squad", folder)
    with pytest.raises(InputError, match=r"corpus\.folder must hold train\.tsv and dev\.tsv of rte"):
        glue("rte", str(tmp_path))


TREES = """( (S
    (NP-SBJ (NNP Mr.) (NNP Vinken) )
    (VP (VBZ is)
      (NP-PRD (-NONE- *-1) (JJ 1\\/2) (-LRB- -LRB-) ))
    (. .) ))
( (X (SYM *) ))
"""


def test_leaves_of_trees_are_words_without_traces(tmp_path: Path) -> None:
    for section in ("00", "20", "23"):
        write(tmp_path / section, **{f"wsj_{section}01__mrg": TREES})
    found = penn(str(tmp_path))
    first, second = found.sentences("train")
    assert first.words == ("Mr.", "Vinken", "is", "1/2", "(", ".") and second.words == ("*",)
    assert first.annotations["xpos"] == ("NNP", "NNP", "VBZ", "JJ", "-LRB-", ".")
    assert (first.id, second.id, first.document) == ("wsj_0001-1", "wsj_0001-2", "wsj_0001")
    assert next(found.sentences("test")).document == "wsj_2301"
    assert next(penn(str(tmp_path), sections={"train": [20], "dev": [0]}).sentences("dev")).document == "wsj_0001"
    with pytest.raises(
        InputError, match=r"must hold the treebank's sections \(00 to 24\), got .* without those of dev"
    ):
        penn(str(tmp_path), sections={"dev": [1]})
