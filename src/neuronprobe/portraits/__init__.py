"""Neurons one can look at: the words that excite and inhibit them, the labels of those, tinted sentences."""

from neuronprobe.portraits.html import fragment
from neuronprobe.portraits.portrait import Portrait, Side, TintedSentence, TopWord
from neuronprobe.portraits.reduction import Text, forms_of, portray

__all__ = ["Portrait", "Side", "Text", "TintedSentence", "TopWord", "forms_of", "fragment", "portray"]
