"""Annotated text in, sentences out, streaming."""

from neuronprobe.corpora.columns import ColumnsCorpus
from neuronprobe.corpora.conllu import ConlluCorpus, starter
from neuronprobe.corpora.corpus import SPLITS, Corpus, Forms
from neuronprobe.corpora.lines import LinesCorpus
from neuronprobe.corpora.memory import WordsCorpus

__all__ = ["SPLITS", "ColumnsCorpus", "ConlluCorpus", "Corpus", "Forms", "LinesCorpus", "WordsCorpus", "starter"]
