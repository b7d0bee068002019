"""What users bring: each file that was once read wrongly, refused without reason or read in silence."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import pytest

from neuronprobe.corpora import ColumnsCorpus, ConlluCorpus, LinesCorpus, ParallelCorpus, SentencesCorpus
from neuronprobe.corpora.conllu import read_conllu
from neuronprobe.corpora.files import lines
from neuronprobe.errors import InputError
from neuronprobe.types import Sentence

WORD = "1\tIt\tit\tPRON\tPRP\t_\t0\troot\t_\t_\n"


def table(tmp_path: Path, content: str, name: str = "train.tsv", **settings: Any) -> list[Sentence]:
    """The sentences of train."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    given = {"dev": str(path), "test": str(path), **settings}
    return list(SentencesCorpus(str(path), **given).sentences("train"))


def columns(tmp_path: Path, text: str, **settings: Any) -> list[Sentence]:
    path = tmp_path / "train.txt"
    path.write_text(text, encoding="utf-8")
    given: dict[str, Any] = {"dev": str(path), "test": str(path), "columns": {"form": 0, "ner": -1}, **settings}
    return list(ColumnsCorpus(str(path), **given).sentences("train"))


def test_the_label_may_stand_last(tmp_path: Path) -> None:
    found = table(tmp_path, "a good film\tpos\na bad one\tneg\n", text=0, label=1)
    assert [(s.words, s.labels) for s in found] == [
        (("a", "good", "film"), {"label": "pos"}), (("a", "bad", "one"), {"label": "neg"}),
    ]  # fmt: skip


def test_a_header_is_no_sentence(tmp_path: Path) -> None:
    text = "sentence\tlabel\na good film\t1\n"
    assert [s.labels["label"] for s in table(tmp_path, text, text="sentence", label="label")] == ["1"]
    assert [s.labels["label"] for s in table(tmp_path, text, text=0, label=1, header=True)] == ["1"]
    with pytest.raises(InputError, match=r"line 1, must be a sentence where columns are given by number, got a header"):
        table(tmp_path, text, text=0, label=1)
    assert len(table(tmp_path, text, text=0, label=1, header=False)) == 2
    with pytest.raises(InputError, match=r"must have the columns .* got none named 'text', but 0, 1, 'sentence', 'lab"):
        table(tmp_path, text)


def test_the_label_of_a_header_is_that_of_no_other_line(tmp_path: Path) -> None:
    text = "review\tstars\n" + "a good film\t1\na bad one\t2\n" * 5
    with pytest.raises(InputError, match=r"line 1, must be a sentence .* got 'stars', which is the label of no other"):
        table(tmp_path, text, text=0, label=1)
    assert len(table(tmp_path, text, text=0, label=1, header=True)) == 10
    assert len(table(tmp_path, text, text=0, label=1, header=False)) == 11
    assert len(table(tmp_path, text.replace("stars", "2"), text=0, label=1)) == 11
    few = "what is it\tX\na good film\t1\nanother\t2\na bad one\t1\n"
    assert len(table(tmp_path, few, text=0, label=1)) == 4, "too few to tell"


def test_broken_rows_are_refused_or_dropped_and_counted(tmp_path: Path) -> None:
    text = "text\tid\tlabel\na good film\t1\tpos\nis it?\t0\n\nbad\t2\tneg\tmore\nworse\t3\tneg\n"
    with pytest.raises(InputError, match=r"line 3, must have 3 columns .* got 2; .*corpus\.broken=drop"):
        table(tmp_path, text)
    path = str(tmp_path / "train.tsv")
    corpus = SentencesCorpus(path, path, path, broken="drop")
    for _ in range(2):
        assert [s.labels["label"] for s in corpus.sentences("train")] == ["pos", "neg"]
    assert corpus.counts["train"] == {"broken_rows_dropped": 2}
    with pytest.raises(InputError, match=r"corpus\.broken must be one of refuse, drop, got 'skip'"):
        SentencesCorpus(path, path, path, broken="skip")


def test_what_a_reader_passes_over_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text("# sent_id = none\n\n" + WORD + WORD.replace("1\tIt", "1.1\tx") + "\n" + WORD)
    corpus = ConlluCorpus([str(path)] * 2, str(path), str(path))
    assert len(list(corpus.sentences("train"))) == 4 and len(list(corpus.sentences("dev"))) == 2
    once = {"sentences_without_words_passed_over": 1, "empty_nodes_passed_over": 1}
    assert corpus.counts["dev"] == once
    path = tmp_path / "train.txt"
    path.write_text("# a comment\nOne CD\n# SYM\nhash NN\n")
    found = ColumnsCorpus(str(path), dev=str(path), test=str(path), columns=["form", "pos"], comment="#")
    assert [s.words for s in found.sentences("test")] == [("One", "hash")]
    assert found.counts["test"] == {"comments_within_sentences_passed_over": 1}


def test_lines_that_end_in_carriage_returns_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.txt, line 1, must end in a line feed, got a carriage return"):
        columns(tmp_path, "One CD\rhash NN\r", columns=["form", "pos"])


def test_files_beside_each_other_may_end_in_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "a.in").write_text("It is\n\n\n")
    (tmp_path / "a.label").write_text("A B\n")
    one = str(tmp_path / "a.in")
    assert [s.words for s in ParallelCorpus(one, one, one).sentences("train")] == [("It", "is")]


def test_cola_has_its_label_and_its_sentence(tmp_path: Path) -> None:
    text = "gj04\t1\t\tOur friends won't buy this.\ngj04\t0\t*\tThe \"book read.\n"
    found = table(tmp_path, text, text=3, label=1, quoted=False)
    assert [(s.words[-1], s.labels["label"]) for s in found] == [("this.", "1"), ("read.", "0")]


def test_pairs_stay_pairs(tmp_path: Path) -> None:
    text = "sentence1\tsentence2\tlabel\nIt rains .\tIt is wet .\tentailment\n"
    (found,) = table(tmp_path, text, text=["sentence1", "sentence2"])
    assert found.words[found.second :] == ("It", "is", "wet", ".") and found.second == 3


def test_quotes_of_a_tsv_are_no_words(tmp_path: Path) -> None:
    text = 'text\tlabel\n"a ""very"" good\tfilm"\tpos\n'
    assert table(tmp_path, text)[0].words == ("a", '"very"', "good", "film")
    with pytest.raises(InputError, match=r"line 3, must end its quotes, got one open at its end; .*corpus\.quoted="):
        table(tmp_path, 'text\tlabel\nfine\tpos\n"not closed\tpos\nmore\tneg\n"\n')
    assert table(tmp_path, 'text\tlabel\n"not closed\tpos\n', quoted=False)[0].words == ('"not', "closed")
    with pytest.raises(InputError, match=r"line 2, must be TSV, got .*corpus\.quoted=false"):
        table(tmp_path, 'text\tlabel\n"a" b\tpos\n')


def test_a_document_is_no_sentence(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\n\nBerlin NNP B-NP B-LOC\n-DOCSTART- -X- -X- O\n\nEU NNP B-NP O\n"
    found = columns(tmp_path, text, columns={"form": 0, "ner": 3})
    assert [(s.words, s.document) for s in found] == [
        (("EU",), "train-1"), (("Berlin",), "train-1"), (("EU",), "train-2"),
    ]  # fmt: skip


def test_sent_id_orig_is_no_id(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("# sent_id = right\n# sent_id_orig = wrong\n# newdoc id = d\n" + WORD)
    (found,) = read_conllu(tmp_path / "a")
    assert (found.id, found.document) == ("right", "d")


def test_blanks_and_tabs_may_end_a_sentence_and_stand_in_runs(tmp_path: Path) -> None:
    text = "EU\tB-org \n \t \nis  \t O\n\t\t\nhere O  \n"
    found = columns(tmp_path, text, columns=["form", "ner"])
    assert [(s.words, s.annotations["ner"]) for s in found] == [
        (("EU",), ("B-org",)), (("is",), ("O",)), (("here",), ("O",)),
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("before", [65, 20_000])
def test_bytes_that_cannot_be_decoded_are_on_their_line(before: int, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes("é a\n".encode(encoding) + b"a line\n" * (before - 1) + b"caf\xe9 here\n" + b"and\n" * 9)
    with pytest.raises(InputError, match=rf"bad\.txt, line {before + 1}, must be UTF-8 text, got invalid continuation"):
        list(lines(path))
    assert len(list(lines(path, "latin-1"))) == before + 10


def test_what_is_cut_off_or_of_another_encoding_is_said(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(b"a\nb\n\xc3")
    with pytest.raises(InputError, match="line 3, must be UTF-8 text, got unexpected end of data"):
        list(lines(path))
    path.write_text("a b\n" * 3, encoding="utf-16")
    with pytest.raises(InputError, match="line 1, must be UTF-8 text"):
        list(lines(path))
    assert [line for _, line in lines(path, "utf-16")] == ["a b"] * 3
    path.write_text("a b\n" * 3, encoding="utf-16-le")
    with pytest.raises(InputError, match="line 1, must be text, got a NUL"):
        list(lines(path))


def test_gzip_and_zip_are_unpacked_and_damage_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.conllu.gz").write_bytes(gzip.compress(b"# sent_id = a\n" + WORD.encode()))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for split in ("train", "dev"):
            archive.writestr(f"in/{split}.conllu", f"# sent_id = {split}\n" + WORD)
    paths = [tmp_path / "a.conllu.gz", tmp_path / "all.zip" / "in" / "train.conllu", tmp_path / "all.zip/in/dev.conllu"]
    corpus = ConlluCorpus(*map(str, paths))
    assert [next(corpus.sentences(split)).id for split in ("train", "dev", "test")] == ["a", "train", "dev"]
    with pytest.raises(InputError, match=r"all\.zip must hold one file, got in/train\.conllu, in/dev\.conllu; name"):
        list(ConlluCorpus(*[str(tmp_path / "all.zip")] * 3).sentences("train"))
    whole = gzip.compress((WORD + "\n").encode() * 5000)
    (tmp_path / "b.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"b\.gz must be whole, got damage after line \d+"):
        list(read_conllu(tmp_path / "b.gz"))
    (tmp_path / "c.gz").write_bytes(b"no gzip at all")
    with pytest.raises(InputError, match=r"c\.gz must be whole"):
        list(read_conllu(tmp_path / "c.gz"))
    (tmp_path / "d.zip").write_bytes(b"no zip at all")
    with pytest.raises(InputError, match=r"d\.zip must be whole"):
        list(read_conllu(tmp_path / "d.zip"))


def test_a_glob_and_a_list_are_read_in_order(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.conllu").write_text(f"# sent_id = {name}\n" + WORD)
    corpus = ConlluCorpus(
        str(tmp_path / "*.conllu"), [str(tmp_path / "c.conllu"), str(tmp_path / "a.*")], str(tmp_path / "[a]*")
    )
    assert [[s.id for s in corpus.sentences(split)] for split in ("train", "dev", "test")] == [
        ["a", "b", "c"], ["c", "a"], ["a"],
    ]  # fmt: skip


def test_a_label_first_file_read_by_lines_is_as_before(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("HUM:ind Who is it ?\n")
    corpus = LinesCorpus(*[str(tmp_path / "a")] * 3, separator="blank", coarse=":")
    assert next(corpus.sentences("dev")).labels == {"topic": "HUM", "topic_fine": "HUM:ind"}
