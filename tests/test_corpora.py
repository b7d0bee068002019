"""The CoNLL-U reader against the `conllu` library, its errors, and the starter treebank."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import conllu
import pytest

import neuronprobe.corpora
from neuronprobe.corpora import SPLITS, ConlluCorpus, forms_digest, starter
from neuronprobe.corpora.conllu import read_conllu
from neuronprobe.errors import InputError

STARTER = Path(neuronprobe.corpora.__file__).parent / "starter"
UPOS = (
    {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"}
    | {"PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"}
)  # fmt: skip
WORD = "1\tIt\tit\tPRON\tPRP\t_\t0\troot\t_\t_\n"


def same_as_library(path: Path) -> None:
    witness = conllu.parse(path.read_text(encoding="utf-8"))
    sentences = list(read_conllu(path))
    assert len(sentences) == len(witness)
    for ours, theirs in zip(sentences, witness, strict=True):
        words = [token for token in theirs if isinstance(token["id"], int)]
        assert ours.words == tuple(word["form"] for word in words)
        for column in ("upos", "xpos"):
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


def test_the_digest_sees_words_and_sentence_ends_but_no_labels(tmp_path: Path) -> None:
    def digest(text: str) -> tuple[str, int, int]:
        path = tmp_path / "x.conllu"
        path.write_text(text)
        return forms_digest(read_conllu(path))

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
