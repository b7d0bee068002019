"""Annotated text in, sentences out, streaming."""

from neuronprobe.corpora.columns import ColumnsCorpus
from neuronprobe.corpora.conllu import ConlluCorpus, starter
from neuronprobe.corpora.corpus import SPLITS, Corpus, forms_digest
from neuronprobe.corpora.lines import LinesCorpus

__all__ = ["SPLITS", "ColumnsCorpus", "ConlluCorpus", "Corpus", "LinesCorpus", "forms_digest", "starter"]
