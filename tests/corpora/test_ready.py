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
    whole = tmp_path / "UD_Xx" / "xx_tiny-ud-train.conllu"
    for part in ("a-1", "b"):  # as large ones have it
        (whole.parent / f"xx_tiny-ud-train-{part}.conllu").write_text(f"# sent_id = {part}\n" + WORD)
    assert [s.id for s in treebank(folder).sentences("train")] == ["a-1", "b", "train"]
    other = write(tmp_path / "both", **{f"{name}-ud-test__conllu": WORD for name in ("xx_tiny", "xx_pud")})
    with pytest.raises(InputError, match=r"must hold one treebank, got xx_pud, xx_tiny in .*corpus=conllu"):
        treebank(other, ratios=[0.6, 0.2, 0.2])
    for path in whole.parent.glob("*-train*"):
        path.unlink()
    with pytest.raises(InputError, match=r"must hold files for train, dev and test .* got none for train in .*ratios="):
        treebank(folder)
    with pytest.raises(InputError, match=r"corpus\.folder must hold a treebank \(\*\.conllu\), got '.*nowhere'"):
        treebank(str(tmp_path / "nowhere"))


MRPC = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
QNLI = "index\tquestion\tsentence\tlabel\n"
QQP = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
GLUE = {
    "cola": ('gj04\t1\t\tIt "works .\n', ("It", '"works', "."), None, "1"),
    "mrpc": (MRPC + '1\t7\t8\tOne "a\tTwo b\n', ("One", '"a', "Two", "b"), 2, "1"),
    "qnli": (QNLI + "0\tWho ?\tShe .\tentailment\n", ("Who", "?", "She", "."), 2, "entailment"),
    "qqp": (QQP + "1\t2\t3\tIs \"it ?\tWhat is\t1\n", ("Is", '"it', "?", "What", "is"), 3, "1"),
    "sst2": ("sentence\tlabel\nso good \t1\n", ("so", "good"), None, "1"),
    "rte": ("index\tsentence1\tsentence2\tlabel\n0\tA b\tC\tnot_entailment\n", ("A", "b", "C"), 2, "not_entailment"),
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


def test_broken_rows_of_qqp_are_dropped_and_mnli_has_other_columns_in_dev(tmp_path: Path) -> None:
    row = "1\t2\t3\tA ?\tB ?\t1\n"
    folder = write(tmp_path / "qqp", train__tsv=QQP + row + '"\tWas it ?\t0\n' + row, dev__tsv=QQP + row)
    found = glue("qqp", folder, held_out=1)
    assert len(list(found.sentences("train"))) == 1 and found.counts["train"] == {"broken_rows_dropped": 1}
    head = "index\tpromptID\tpairID\tgenre\ts1_b\ts2_b\ts1_p\ts2_p\tsentence1\tsentence2\t"
    cells = "\t".join("abcdefgh") + "\tA b\tC\t"
    train = head + "label1\tgold_label\n" + (cells + "neutral\tneutral\n") * 2
    dev = head + "".join(f"label{i}\t" for i in range(1, 6)) + "gold_label\n" + cells + "neutral\t" * 5 + "entailment\n"
    folder = write(tmp_path / "mnli", train__tsv=train, dev_matched__tsv=dev, dev_mismatched__tsv="no")
    found = glue("mnli", folder, held_out=1)
    (sentence,) = found.sentences("test")
    assert (sentence.words, sentence.second, sentence.labels) == (("A", "b", "C"), 2, {"label": "entailment"})


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
    assert len(list(found.sentences("train"))) == 2 and not found.counts["train"]
    write(tmp_path / "00", **{"wsj_0002__mrg": "((S (NP (-NONE- *)) ))\n((S (NP (PRP It)) ))\n"})
    again = penn(str(tmp_path))
    assert len(list(again.sentences("train"))) == 3
    assert again.counts["train"] == {"trees_of_traces_passed_over": 1}
    for tree in ("((S (NP (NNP Mr. Vinken)) (VBZ is)))", "((S (NP one (NNP Vinken))))"):
        write(tmp_path / "00", **{"wsj_0002__mrg": tree})
        with pytest.raises(InputError, match=r"wsj_0002\.mrg, line 1, must begin a tree whose words are leaves"):
            list(penn(str(tmp_path)).sentences("train"))
    with pytest.raises(
        InputError, match=r"must hold the treebank's sections \(00 to 24\), got .* without those of dev"
    ):
        penn(str(tmp_path), sections={"dev": [1]})
