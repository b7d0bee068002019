"""Mangled files end in one clear line or in a correct read: no crash, no hang, no shifted label."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import conllu
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuronprobe.corpora import ColumnsCorpus, ConlluCorpus, LinesCorpus, ParallelCorpus, PennCorpus, SentencesCorpus
from neuronprobe.corpora.conllu import read_conllu
from neuronprobe.corpora.splits import SplitCorpus
from neuronprobe.errors import InputError
from neuronprobe.properties import DependencyPair

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORD = "1\tIt\tit\tPRON\tPRP\t_\t0\troot\t_\t_\n"
SENTENCE = "# sent_id = a\n" + WORD + WORD.replace("1\tIt", "2\tis").replace("0\troot", "1\tcop") + "\n"
GOOD = {
    ".conllu": SENTENCE * 3, ".txt": "It PRP\nis VBZ\n\nhere RB\n", ".tsv": "text\tlabel\na \"b\" c\tpos\nd\tneg\n",
    ".csv": 'text,label\n"a, b",pos\nc,neg\n', ".jsonl": '{"text": "a b", "label": "pos"}\n{"text": "c", "label": 1}\n',
    ".in": "It is\nhere\n", ".mrg": "( (S (NP (PRP It)) (VP (VBZ is))) )\n", ".lines": "pos\tgood film\nneg\tbad\n",
}  # fmt: skip


def corpus(path: Path) -> SplitCorpus:
    """What reads a file of this ending."""
    one: dict[str, Any] = dict.fromkeys(("train", "dev", "test"), str(path))
    if path.suffix == ".conllu":
        return ConlluCorpus(**one)
    if path.suffix == ".txt":
        return ColumnsCorpus(columns=["form", "pos"], **one)
    if path.suffix == ".in":
        return ParallelCorpus(**one)
    if path.suffix == ".mrg":
        return PennCorpus(**one)
    return LinesCorpus(**one) if path.suffix == ".lines" else SentencesCorpus(**one)


def ends_well(path: Path) -> None:
    """Sentences that are whole, or an error of one line that names the file."""
    try:
        for sentence in corpus(path).sentences("train"):
            assert sentence.words and all(sentence.words)
            assert all(len(column) == len(sentence.words) for column in sentence.annotations.values())
            " ".join(sentence.words).encode()
    except InputError as error:
        said = str(error)
        assert "\n" not in said and path.stem in said


def mangled(good: bytes, data: st.DataObject) -> bytes:
    """A few bytes put in, left out or put elsewhere."""
    for _ in range(data.draw(st.integers(1, 4))):
        at, n = data.draw(st.integers(0, len(good))), data.draw(st.integers(0, 6))
        odd = [
            b"\0",
            b"\xff",
            b"\r\n",
            b"\r",
            b"\t",
            b"\n",
            b'"',
            b" ",
            b"\xef\xbb\xbf",
            b"\xe2\x80",
            b"-1",
            b"(",
            b"\\ud800",
        ]
        put = data.draw(st.sampled_from(odd) | st.binary(max_size=4))
        good = good[:at] + put + good[at + n :]
    return good


@pytest.mark.parametrize("ending", GOOD)
@FUZZ
@given(data=st.data())
def test_any_bytes_end_well(ending: str, data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / f"mangled{ending}"
    if ending == ".in":
        (tmp_path / "mangled.label").write_text("A B\nC\n")
    path.write_bytes(mangled(GOOD[ending].encode(), data))
    ends_well(path)


CELL = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\u2028"), min_size=1
).filter(lambda cell: cell.strip() == cell and cell != "_" and not cell.startswith("#"))


@FUZZ
@given(sentences=st.lists(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=4), min_size=1, max_size=4))
def test_conllu_reads_what_was_written(sentences: list[list[tuple[str, str]]], tmp_path: Path) -> None:
    text = "\n".join(
        "".join(f"{i}\t{form}\t_\t{label}" + "\t_" * 6 + "\n" for i, (form, label) in enumerate(sentence, 1))
        for sentence in sentences
    )
    (tmp_path / "a.conllu").write_text(text, encoding="utf-8", newline="")
    found = list(read_conllu(tmp_path / "a.conllu"))
    assert [list(zip(s.words, s.annotations["upos"], strict=True)) for s in found] == sentences


ROW = st.tuples(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r\n")).filter(str.strip),
    st.sampled_from(["pos", "neg", 'a "b"', "c,d"]),
)


@FUZZ
@given(rows=st.lists(ROW, min_size=1, max_size=6))
@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".tsv"])
def test_tables_read_what_was_written(ending: str, rows: list[tuple[str, str]], tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    with path.open("w", encoding="utf-8", newline="") as file:
        if ending == ".jsonl":
            file.writelines(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
        else:
            csv.writer(file, delimiter="," if ending == ".csv" else "\t").writerows([("text", "label"), *rows])
    found = list(corpus(path).sentences("train"))
    assert [(s.words, s.labels["label"]) for s in found] == [(tuple(text.split()), label) for text, label in rows]


MANGLED: dict[str, tuple[str, bytes | str, str | int]] = {
    "truncated": (".conllu", SENTENCE + WORD[:20], "line 5, must have 10 columns separated by tabs, got 7"),
    "wrong encoding": (".conllu", SENTENCE.replace("It", "caf\xe9").encode("latin-1"), "line 2, must be UTF-8 text"),
    "crlf": (".conllu", SENTENCE.replace("\n", "\r\n"), 1),
    "tabs for spaces": (".txt", "It\tPRP\nis\tVBZ\n", 1),
    "spaces for tabs": (".conllu", SENTENCE.replace("\t", " "), "line 2, must have 10 columns"),
    "nul": (".conllu", SENTENCE.replace("It", "I\0t"), "line 2, must be text, got a NUL"),
    "byte-order mark": (".conllu", b"\xef\xbb\xbf" + SENTENCE.encode(), 1),
    "a line of 1 MB": (".conllu", SENTENCE.replace("It", "I" * 2**20), 1),
    "a line of 1 MB in columns": (".txt", "x " * 2**19, 1),
    "a field of 1 MB": (".csv", "text,label\n" + "a" * 2**20 + ",pos\n", "line 2, must be CSV, got field larger than"),
    "empty sentences": (".conllu", "\n\n# sent_id = x\n\n" + SENTENCE + "\n\n\n", 1),
    "empty sentences in columns": (".txt", "\n \n\t\nIt PRP\n\n\n\n", 1),
    "duplicate ids": (".conllu", SENTENCE * 2, 2),
    "a gap": (".conllu", SENTENCE.replace("2\tis", "3\tis"), "line 3, must be word 2 of its sentence, got '3'"),
    "no end": (".conllu", SENTENCE.rstrip("\n"), 1),
    "an empty cell": (".conllu", SENTENCE.replace("PRP", ""), "line 2, must have a xpos in column 5, got an empty one"),
    "no such label": (
        ".in",
        "It is\nhere\nmore\n",
        "a\\.label, line 3, must have 1 labels, as a\\.in has words, got 0",
    ),
    "an array": (".jsonl", '[{"text": "a"}]', "line 1, must be a JSON object"),
    "half a pair": (".jsonl", '{"text": "\\ud800", "label": "x"}', "line 1, must have text in 'text', got half a char"),
    "open brackets": (".mrg", "( (S (NP (PRP It))\n", "line 1, must begin a tree that ends"),
    "closed brackets": (".mrg", "( (S (PRP It)) ) )\n", "line 1, must close no more brackets"),
}


@pytest.mark.parametrize("kind", MANGLED)
def test_mangled_files_end_in_a_line_or_a_read(kind: str, tmp_path: Path) -> None:
    ending, content, expected = MANGLED[kind]
    path = tmp_path / f"a{ending}"
    (tmp_path / "a.label").write_text("A B\nC\n")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if isinstance(expected, int):
        assert len(list(corpus(path).sentences("train"))) == expected
    else:
        with pytest.raises(InputError, match=expected) as caught:
            list(corpus(path).sentences("train"))
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_cyclic_heads_are_pairs_of_words_like_others(tmp_path: Path) -> None:
    text = SENTENCE.replace("0\troot", "2\tdep")
    (tmp_path / "a.conllu").write_text(text)
    units = list(DependencyPair().units(read_conllu(tmp_path / "a.conllu")))
    assert [(unit.rows, unit.label) for unit in units] == [((1, 0), "dep"), ((0, 1), "cop")]
    assert [token["head"] for token in conllu.parse(text)[0]] == [2, 1]


PLUS = "# global.columns = ID FORM UPOS PARSEME:MWE\n# newdoc\n1-2\tdu\t_\t_\n1\tde\tADP\t*\n2\tle\tDET\t1:LVC\n\n"


def test_conllu_plus_names_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.conllup"
    path.write_text(PLUS + "# newdoc\n1\tx\tX\t_\n2.1\ty\tX\t_\n")
    first, second = read_conllu(path)
    assert first.words == ("de", "le") and first.annotations == {"upos": ("ADP", "DET"), "parseme:mwe": ("*", "1:LVC")}
    assert (first.document, second.document, second.annotations["parseme:mwe"]) == ("a-1", "a-2", (None,))
    path.write_text(PLUS.replace("ID FORM", "ID WORD"))
    with pytest.raises(InputError, match=r"line 1, must name FORM and each column once, got 'ID WORD UPOS"):
        list(read_conllu(path))
    path.write_text("# global.columns = FORM UPOS\n# a\nde\tADP\n#\tSYM\n\n")
    assert next(read_conllu(path)).words == ("de", "#")


def streams() -> Iterator[str]:
    yield from ("deps", "misc", "feats", "head", "lemma")


@pytest.mark.parametrize("column", streams())
def test_all_columns_are_those_of_the_library(column: str, ewt: Path) -> None:
    path = ewt / "en_ewt-ud-dev.conllu"
    raw = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line[:1].isdigit()]
    place = {"lemma": 2, "feats": 5, "head": 6, "deps": 8, "misc": 9}[column]
    expected = [cells[place] for cells in raw if cells[0].isdigit()]
    assert [label or "_" for s in read_conllu(path) for label in s.annotations[column]] == expected
