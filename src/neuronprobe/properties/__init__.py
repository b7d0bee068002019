"""Sentences in, units out: what is predicted, and of what."""

from neuronprobe.properties.control import control_labels
from neuronprobe.properties.labels import LabelSet, collect
from neuronprobe.properties.word import WordProperty

__all__ = ["LabelSet", "WordProperty", "collect", "control_labels"]
