"""Sentences in, units out: what is predicted, and of what."""

from neuronprobe.properties.labels import LabelSet, collect
from neuronprobe.properties.word import WordProperty

__all__ = ["LabelSet", "WordProperty", "collect"]
