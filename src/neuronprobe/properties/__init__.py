"""Sentences in, units out: what is predicted, and of what."""

from neuronprobe.properties.feature import FeatureProperty
from neuronprobe.properties.forms import CaseProperty, ConceptProperty, FrequencyBand, SuffixProperty
from neuronprobe.properties.numbers import Frequency, Position, SentenceScore, WordLength
from neuronprobe.properties.pair import DependencyPair
from neuronprobe.properties.property import Property
from neuronprobe.properties.selection import LabelSelection
from neuronprobe.properties.sentence import SentenceProperty
from neuronprobe.properties.span import SpanProperty
from neuronprobe.properties.units import collect
from neuronprobe.properties.word import OfWords, WordProperty

__all__ = [
    "CaseProperty", "ConceptProperty", "DependencyPair", "FeatureProperty", "Frequency", "FrequencyBand",
    "LabelSelection", "OfWords", "Position", "Property", "SentenceProperty", "SentenceScore", "SpanProperty",
    "SuffixProperty", "WordLength", "WordProperty", "collect",
]  # fmt: skip
