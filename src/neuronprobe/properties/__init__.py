"""Sentences in, units out: what is predicted, and of what."""

from neuronprobe.properties.control import control_labels
from neuronprobe.properties.labels import LabelSet, collect
from neuronprobe.properties.sentence import SentenceProperty
from neuronprobe.properties.word import WordProperty

__all__ = ["LabelSet", "SentenceProperty", "WordProperty", "collect", "control_labels"]
