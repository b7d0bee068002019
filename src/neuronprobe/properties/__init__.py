"""Sentences in, units out: what is predicted, and of what."""

from neuronprobe.properties.control import control_labels
from neuronprobe.properties.labels import LabelSet, collect
from neuronprobe.properties.pair import DependencyPair
from neuronprobe.properties.property import Property
from neuronprobe.properties.sentence import SentenceProperty
from neuronprobe.properties.word import WordProperty

__all__ = ["DependencyPair", "LabelSet", "Property", "SentenceProperty", "WordProperty", "collect", "control_labels"]
