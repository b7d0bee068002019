"""Sentences in, units out: what is predicted, and of what."""

from neuronprobe.properties.length import WordLength
from neuronprobe.properties.pair import DependencyPair
from neuronprobe.properties.property import Property
from neuronprobe.properties.sentence import SentenceProperty
from neuronprobe.properties.units import collect
from neuronprobe.properties.word import WordProperty

__all__ = ["DependencyPair", "Property", "SentenceProperty", "WordLength", "WordProperty", "collect"]
