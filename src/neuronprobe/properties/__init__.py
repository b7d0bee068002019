"""Sentences in, units out: what is predicted, and of what."""

from neuronprobe.properties.control import control_labels
from neuronprobe.properties.feature import FeatureProperty
from neuronprobe.properties.forms import CaseProperty, ConceptProperty, FrequencyBand, SuffixProperty
from neuronprobe.properties.labels import LabelSet, collect
from neuronprobe.properties.pair import DependencyPair
from neuronprobe.properties.property import Property
from neuronprobe.properties.selection import LabelSelection
from neuronprobe.properties.sentence import SentenceProperty
from neuronprobe.properties.span import SpanProperty
from neuronprobe.properties.word import OfWords, WordProperty

__all__ = [
    "CaseProperty", "ConceptProperty", "DependencyPair", "FeatureProperty", "FrequencyBand", "LabelSelection",
    "LabelSet", "OfWords", "Property", "SentenceProperty", "SpanProperty", "SuffixProperty", "WordProperty", "collect",
    "control_labels",
]  # fmt: skip
