"""Annotated text in, sentences out, streaming."""

from neuronprobe.corpora.columns import ColumnsCorpus
from neuronprobe.corpora.conllu import ConlluCorpus, starter
from neuronprobe.corpora.corpus import SPLITS, Corpus, forms_digest

__all__ = ["SPLITS", "ColumnsCorpus", "ConlluCorpus", "Corpus", "forms_digest", "starter"]
