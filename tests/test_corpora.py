"""The CoNLL-U reader against the `conllu` library, columns against the raw text, errors, the starter treebank."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import conllu
import pytest

import neuronprobe.corpora
from neuronprobe.corpora import SPLITS, ColumnsCorpus, ConlluCorpus, Forms, starter
from neuronprobe.corpora.conllu import read_conllu
from neuronprobe.errors import InputError
from neuronprobe.types import Sentence

STARTER = Path(neuronprobe.corpora.__file__).parent / "starter"
UPOS = (
    {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"}
    | {"PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"}
)  # fmt: skip
WORD = "1\tIt\tit\tPRON\tPRP\t_\t0\troot\t_\t_\n"


def columns(train: Path, **settings: Any) -> ColumnsCorpus:
    """A corpus of words and tags, all splits in one file."""
    arguments = {"test": str(train), "dev": str(train), "columns": {"form": 0, "pos": 1}, "separator": "blank"}
    return ColumnsCorpus(str(train), **{**arguments, **settings})


def same_as_library(path: Path) -> None:
    witness = conllu.parse(path.read_text(encoding="utf-8"))
    sentences = list(read_conllu(path))
    assert len(sentences) == len(witness)
    for ours, theirs in zip(sentences, witness, strict=True):
        words = [token for token in theirs if isinstance(token["id"], int)]
        assert ours.words == tuple(word["form"] for word in words)
        for column in ("upos", "xpos", "deprel"):
            assert [label or "_" for label in ours.annotations[column]] == [word[column] or "_" for word in words]
        assert ours.id == theirs.metadata["sent_id"]


@pytest.mark.parametrize("split", SPLITS)
def test_the_starter_reads_as_the_library_reads_it(split: str) -> None:
    same_as_library(STARTER / f"{split}.conllu")


def test_a_real_treebank_reads_as_the_library_reads_it(ewt: Path) -> None:
    same_as_library(ewt / "en_ewt-ud-dev.conllu")


def test_the_starter_is_large_enough_and_says_nothing_twice() -> None:
    sentences = {split: list(starter().sentences(split)) for split in SPLITS}
    words = {split: sum(len(s.words) for s in found) for split, found in sentences.items()}
    assert sum(len(found) for found in sentences.values()) >= 700
    assert sum(words.values()) >= 8500
    assert words["test"] >= 1500
    assert words["dev"] >= 1000
    texts = Counter(" ".join(s.words).lower() for found in sentences.values() for s in found)
    assert [text for text, times in texts.items() if times > 1] == []
    identifiers = [s.id for found in sentences.values() for s in found]
    assert len(set(identifiers)) == len(identifiers)


def test_every_word_of_the_starter_has_both_labels() -> None:
    for split in SPLITS:
        for sentence in starter().sentences(split):
            assert set(sentence.annotations["upos"]) <= UPOS
            assert None not in sentence.annotations["xpos"]


def test_ranges_and_empty_nodes_are_no_words(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(
        "# sent_id = a\n1-2\tdon't" + "\t_" * 8 + "\n1\tdo\tdo\tAUX" + "\t_" * 6 + "\n1.1\tx" + "\t_" * 8
        + "\n2\tn't\tnot\tPART" + "\t_" * 6 + "\n\n\n# c\n" + WORD
    )  # fmt: skip
    first, second = read_conllu(path)
    assert first.words == ("do", "n't") and first.annotations["xpos"] == (None, None)
    assert (first.id, second.id) == ("a", "a-2")


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("# sent_id = a\n" + WORD, encoding="utf-8-sig")
    (tmp_path / "b").write_text("It PRP\n", encoding="utf-8-sig")
    assert next(read_conllu(tmp_path / "a")).id == "a"
    assert next(columns(tmp_path / "b").sentences("train")).words == ("It",)


def test_the_digest_sees_words_and_sentence_ends_but_no_labels(tmp_path: Path) -> None:
    def digest(text: str) -> tuple[str, int, int]:
        path = tmp_path / "x.conllu"
        path.write_text(text)
        forms = Forms()
        list(forms.of(read_conllu(path)))
        return forms.digest, forms.n_sentences, forms.n_words

    two = WORD + WORD.replace("1\tIt", "2\tis")
    assert digest(two)[1:] == (1, 2)
    assert digest(two) == digest(two.replace("PRON", "NOUN"))
    assert len({digest(text)[0] for text in (two, two.replace("is", "was"), WORD + "\n" + WORD)}) == 3


MALFORMED = {
    "empty": ("", r"train\.conllu must hold at least one sentence, got none"),
    "columns": (WORD + "2\tis\n", r"train\.conllu, line 2, must have 10 columns separated by tabs, got 2"),
    "spaces": (WORD.replace("\t", "   "), r"line 1, must have 10 columns"),
    "number": (WORD + WORD, r"line 2, must be word 2 of its sentence, got '1'"),
    "letters": (WORD.replace("1\t", "a\t", 1), r"line 1, must be word 1 of its sentence, got 'a'"),
    "range": (WORD.replace("1\t", "foo-bar\t", 1), r"line 1, must be word 1 of its sentence, got 'foo-bar'"),
    "form": (WORD.replace("It", ""), r"line 1, must have a form in column 2"),
    "bytes": (WORD.encode() + b"\n\xff\xfe\n", r"must be UTF-8 text"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_file_names_file_and_line(kind: str, tmp_path: Path) -> None:
    content, message = MALFORMED[kind]
    path = tmp_path / "train.conllu"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    corpus = ConlluCorpus(str(path), str(path), str(path))
    with pytest.raises(InputError, match=message) as caught:
        list(corpus.sentences("train"))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named_with_its_split(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(WORD)
    good = str(tmp_path / "a.conllu")
    with pytest.raises(InputError, match=r"corpus\.dev must be a CoNLL-U file, got .*nowhere"):
        ConlluCorpus(good, str(tmp_path / "nowhere"), good)


def test_columns_become_words_and_labels_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_bytes("\n\n# NN O\n1\N{NO-BREAK SPACE}000 CD B-NP\r\n\n\n\na~b _ I-NP".encode())
    sentences = list(columns(path, columns={"form": 0, "chunk": 2, "pos": 1}).sentences("train"))
    assert sentences == [
        Sentence("train-1", ("#", "1\N{NO-BREAK SPACE}000"), {"chunk": ("O", "B-NP"), "pos": ("NN", "CD")}),
        Sentence("train-2", ("a~b",), {"chunk": ("I-NP",), "pos": ("_",)}),
    ]


def test_comments_missing_labels_and_joined_words_are_as_set(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("## a\tb\tc\nAl~Gore\tO\tn~n\n## d\nis\tO\tO\n\n## e\n\n#\tX\t\n")
    settings = {"separator": "tab", "comment": "##", "missing": {"sense": "O", "ccg": ""}, "joiner": "~"}
    first, second = columns(path, columns={"form": 0, "sense": 1, "ccg": 2}, **settings).sentences("dev")
    assert first.words == ("Al Gore", "is")
    assert first.annotations == {"sense": (None, None), "ccg": ("n~n", "O")}
    assert (second.id, second.words, second.annotations) == ("train-2", ("#",), {"sense": ("X",), "ccg": (None,)})


def test_each_split_is_read_from_its_file(tmp_path: Path) -> None:
    for split in SPLITS:
        (tmp_path / split).write_text(f"{split} NN\n")
    corpus = columns(tmp_path / "train", dev=str(tmp_path / "dev"), test=str(tmp_path / "test"))
    assert [next(corpus.sentences(split)).words for split in SPLITS] == [("train",), ("dev",), ("test",)]


@pytest.mark.parametrize("held_out", [1, 3])
def test_held_out_sentences_are_the_last_of_train_and_in_dev_alone(held_out: int, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("".join(f"word{i} NN\n\n" for i in range(1, 6)))
    (tmp_path / "test.txt").write_text("other NN\n")
    corpus = columns(path, dev=None, test=str(tmp_path / "test.txt"), held_out=held_out)
    words = {split: [sentence.words[0] for sentence in corpus.sentences(split)] for split in SPLITS}
    assert words["train"] + words["dev"] == [f"word{i}" for i in range(1, 6)]
    assert len(words["dev"]) == held_out
    assert words["test"] == ["other"]


def test_train_streams_with_no_more_than_the_held_out_sentences_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("a NN\n\nb NN\n\nc NN\n\nnot read yet\n")
    stream = columns(path, dev=None, held_out=2).sentences("train")
    assert next(stream).words == ("a",)
    with pytest.raises(InputError, match="line 7"):
        next(stream)


@pytest.mark.parametrize("split", ["train", "dev"])
def test_something_is_left_for_train(split: str, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a NN\n\nb NN\n")
    with pytest.raises(InputError, match=r"corpus\.held_out must be less than the 2 sentences of .*train\.txt, got 2"):
        list(columns(tmp_path / "train.txt", dev=None, held_out=2).sentences(split))


MALFORMED_COLUMNS = {
    "empty": ("\n\n", r"train\.txt must hold at least one sentence, got none"),
    "too few": ("a NN\n\nb\n", r"train\.txt, line 3, must have 2 columns separated by one blank each, got 1: 'b'"),
    "too many": ("a NN\nb c NN\n", r"line 2, must have 2 columns .*got 3"),
    "tabs": ("a\tNN\n", r"line 1, must have 2 columns separated by one blank each, got 1: 'a\\tNN'; .*separator"),
    "aligned": ("a   NN\nbcd NN\n", r"line 1, must have a pos in column 2, got an empty one"),
    "form": (
        "a NN\n NN\n",
        r"line 2, must have a form in column 1, got an empty one; columns are separated by one blank each\.",
    ),
    "label": ("a NN\nb \n", r"line 2, must have a pos in column 2, got an empty one; .*corpus\.missing\.pos='' "),
    "joiner": ("~ NN\n", r"line 1, must have a form in column 1, got an empty one"),
    "bytes": (b"a NN\n\xe4 NN\n", r"train\.txt, line 2, must be UTF-8 text"),
}


@pytest.mark.parametrize("kind", MALFORMED_COLUMNS)
def test_a_malformed_file_in_columns_names_file_and_line(kind: str, tmp_path: Path) -> None:
    content, message = MALFORMED_COLUMNS[kind]
    path = tmp_path / "train.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as caught:
        list(columns(path, joiner="~").sentences("train"))
    assert "\n" not in str(caught.value)


SETTINGS = {
    "no form": (
        {"columns": {"pos": 1}},
        r"corpus\.columns must give the position of form and of each column of labels",
    ),
    "no mapping": ({"columns": "form"}, r"corpus\.columns must give .*got 'form'"),
    "place": (
        {"columns": {"form": 0, "pos": -1}},
        r"corpus\.columns\.pos must be a whole number of at least 0, got -1",
    ),
    "beyond": ({"columns": {"form": 0, "pos": 2}}, r"line 1, must have 3 columns .*got 2: 'a NN'; .*corpus\.columns"),
    "separator": ({"separator": ";"}, r"corpus\.separator must be one of blank, tab, comma, got ';'"),
    "comment": ({"comment": ""}, r"corpus\.comment must be text, got ''"),
    "joiner": ({"joiner": 1}, r"corpus\.joiner must be text, got 1"),
    "missing": ({"missing": {"sem": "O"}}, r"corpus\.missing must be one of pos, got 'sem'"),
    "missing form": ({"missing": {"form": "O"}}, r"corpus\.missing must be one of pos, got 'form'"),
    "missing value": ({"missing": {"pos": False}}, r"corpus\.missing\.pos must be text, got False; put it in quotes"),
    "missing list": ({"missing": ["O"]}, r"corpus\.missing must be a value for each column, got \['O'\]"),
    "two devs": ({"held_out": 1}, r"corpus\.dev must be a file, or corpus\.held_out at least 1, got both"),
    "no dev": ({"dev": None}, r"corpus\.dev must be a file, or corpus\.held_out at least 1, got neither"),
    "held out": ({"dev": None, "held_out": -1}, r"corpus\.held_out must be a whole number of at least 0, got -1"),
    "no file": ({"test": "nowhere"}, r"corpus\.test must be a text file, got 'nowhere'; there is no such file"),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_setting_of_columns_that_cannot_be_used_is_named(kind: str, tmp_path: Path) -> None:
    settings, message = SETTINGS[kind]
    (tmp_path / "train.txt").write_text("a NN\n")
    with pytest.raises(InputError, match=message) as caught:
        list(columns(tmp_path / "train.txt", **settings).sentences("train"))
    assert "\n" not in str(caught.value)


def test_conll2000_has_the_size_its_readme_tells(conll2000: Path) -> None:
    settings = {"dev": None, "held_out": 1000, "columns": {"form": 0, "xpos": 1, "chunk": 2}}
    corpus = columns(conll2000 / "train.txt", test=str(conll2000 / "test.txt"), **settings)
    found = {split: list(corpus.sentences(split)) for split in SPLITS}
    n_words = {split: sum(len(sentence.words) for sentence in found[split]) for split in SPLITS}
    assert n_words["train"] + n_words["dev"] == 211_727
    assert n_words["test"] == 47_377
    assert [len(found[split]) for split in SPLITS] == [7936, 1000, 2012]
    assert found["test"][0].words[:4] == ("Rockwell", "International", "Corp.", "'s")
    chunks = {label for sentence in found["train"] for label in sentence.annotations["chunk"]}
    assert len(chunks) == 22
    assert {str(label)[:2] for label in chunks} == {"B-", "I-", "O"}


PMB_FILES = {  # sentences whose words aren't their raw text, and joined words that their raw text writes otherwise
    "en/train": (14, 3), "en/dev": (1, 1), "en/test": (1, 0), "de/train": (0, 0), "de/dev": (0, 0), "de/test": (0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", PMB_FILES)
def test_words_of_the_meaning_bank_are_its_raw_text(name: str, pmb: Path) -> None:
    path = pmb / f"{name}.conll"
    start = "# raw sent = "
    lines = path.read_text(encoding="utf-8").splitlines()
    raw = [" ".join(line.removeprefix(start).split()) for line in lines if line.startswith(start)]
    places = {"form": 0, "sem": 3, "ccg": 4, "sense": 5}
    settings = {"separator": "tab", "comment": "#", "missing": {"sense": "O"}, "joiner": "~"}
    sentences = list(columns(path, columns=places, **settings).sentences("train"))
    assert len(sentences) == len(raw)
    pairs = list(zip(sentences, raw, strict=True))
    differ = sum("".join(s.words).replace(" ", "") != text.replace(" ", "") for s, text in pairs)
    otherwise = sum(" " in word and word not in text for s, text in pairs for word in s.words)
    assert (differ, otherwise) == PMB_FILES[name]
    for column, has_gaps in (("sem", False), ("ccg", False), ("sense", True)):
        assert any(None in sentence.annotations[column] for sentence in sentences) == has_gaps
