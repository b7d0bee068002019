"""Annotated text in, sentences out, streaming."""

from neuronprobe.corpora.columns import ColumnsCorpus
from neuronprobe.corpora.conllu import ConlluCorpus, starter, treebank
from neuronprobe.corpora.corpus import SPLITS, Corpus, Forms
from neuronprobe.corpora.glue import glue
from neuronprobe.corpora.hub import HubCorpus
from neuronprobe.corpora.lines import LinesCorpus
from neuronprobe.corpora.memory import WordsCorpus
from neuronprobe.corpora.parallel import ParallelCorpus
from neuronprobe.corpora.penn import PennCorpus, penn
from neuronprobe.corpora.sentences import SentencesCorpus
from neuronprobe.corpora.splits import SplitCorpus

__all__ = [
    "SPLITS", "ColumnsCorpus", "ConlluCorpus", "Corpus", "Forms", "HubCorpus", "LinesCorpus", "ParallelCorpus",
    "PennCorpus", "SentencesCorpus", "SplitCorpus", "WordsCorpus", "glue", "penn", "starter", "treebank",
]  # fmt: skip
