"""Every real corpus reads with the counts that its README tells, through the YAML that is ready for it."""

from __future__ import annotations

from pathlib import Path

import conllu
import pytest
from hydra import compose, initialize_config_dir

from neuronprobe.build import construct
from neuronprobe.corpora import SPLITS, Corpus
from tests.conftest import real_corpus

CONF = Path(__file__).parents[2] / "conf"
PUD = ("en", "de", "fr", "es", "ru", "ar", "zh")


def corpus(*overrides: str) -> Corpus:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        made: Corpus = construct(compose("config", list(overrides)), "corpus")
    return made


def sizes(found: Corpus, split: str) -> tuple[int, int]:
    """Sentences and words."""
    lengths = [len(sentence.words) for sentence in found.sentences(split)]
    return len(lengths), sum(lengths)


def test_ewt_by_its_folder() -> None:
    found = corpus("corpus=ud", f"corpus.folder={real_corpus('ud_english_ewt')}")
    assert found.name == "en_ewt"
    assert [sizes(found, split) for split in SPLITS] == [(12_544, 204_577), (2_001, 25_147), (2_077, 25_094)]
    sentences = list(found.sentences("dev"))
    assert len({label for s in sentences for label in s.annotations["upos"]}) == 17
    train = list(found.sentences("train"))
    n_labels = {name: len({label for s in train for label in s.annotations[name]}) for name in ("xpos", "deprel")}
    assert n_labels == {"xpos": 49, "deprel": 51}
    assert len({s.document for s in sentences}) == 318


@pytest.mark.parametrize("language", PUD)
def test_pud_is_parted_by_its_documents(language: str) -> None:
    folder = real_corpus("ud_pud") / language
    found = corpus("corpus=ud", f"corpus.folder={folder}", "corpus.ratios=[0.6,0.2,0.2]", "corpus.seed=1")
    parts = {split: list(found.sentences(split)) for split in SPLITS}
    assert sum(map(len, parts.values())) == 1000
    documents = [{s.document for s in part} for part in parts.values()]
    assert None not in documents[0] and not any(
        a & b for a, b in ((0, 1), (0, 2), (1, 2)) if documents[a] & documents[b]
    )
    witness = conllu.parse(next(folder.glob("*.conllu")).read_text(encoding="utf-8"))
    forms = sorted(tuple(token["form"] for token in one if isinstance(token["id"], int)) for one in witness)
    assert sorted(s.words for part in parts.values() for s in part) == forms


def test_conll2000_and_the_meaning_bank() -> None:
    folder = real_corpus("conll2000")
    found = corpus("corpus=conll2000", f"corpus.train={folder}/train.txt", f"corpus.test={folder}/test.txt")
    assert [sizes(found, split)[0] for split in SPLITS] == [7_936, 1_000, 2_012]
    assert sizes(found, "train")[1] + sizes(found, "dev")[1] == 211_727 and sizes(found, "test")[1] == 47_377
    for language, n_documents, n_words in (("en", 7_668, 50_408), ("de", 1_738, 10_126)):
        folder = real_corpus("pmb_semtag_4.0.0") / language
        found = corpus("corpus=pmb", *(f"corpus.{split}={folder}/{split}.conll" for split in SPLITS))
        sentences = list(found.sentences("train"))
        assert len({sentence.document for sentence in sentences}) == n_documents
        assert sum(len(sentence.words) for sentence in sentences) == n_words
        if language == "en":
            labels = {name: {label for s in sentences for label in s.annotations[name]} for name in ("sem", "ccg")}
            assert {name: len(own) for name, own in labels.items()} == {"sem": 69, "ccg": 294}


def test_both_sentence_corpora() -> None:
    folder = real_corpus("sentence")
    files = f"{{pos:{folder}/sentence_polarity/rt-polarity.pos,neg:{folder}/sentence_polarity/rt-polarity.neg}}"
    found = corpus("corpus=polarity", f"corpus.train={files}")
    parts = [list(found.sentences(split)) for split in SPLITS]
    assert sum(map(len, parts)) == 10_662
    assert sum(s.labels["polarity"] == "pos" for part in parts for s in part) == 5_331
    assert [round(len(part) / 10_662, 1) for part in parts] == [0.8, 0.1, 0.1]
    texts = [{s.words for s in part} for part in parts]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    trec = folder / "trec_qc"
    found = corpus("corpus=trec", f"corpus.train={trec}/train.txt", f"corpus.test={trec}/test.txt")
    assert [sizes(found, split)[0] for split in SPLITS] == [4_952, 500, 500]
    labels = [s.labels for split in ("train", "dev") for s in found.sentences(split)]
    assert (len({one["question"] for one in labels}), len({one["question_fine"] for one in labels})) == (6, 50)
