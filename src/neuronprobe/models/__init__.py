"""The frozen transformer hook: load, freeze, read; one vector per word from each layer."""

from neuronprobe.models.package import from_package
from neuronprobe.models.transformer import FrozenTransformer

__all__ = ["FrozenTransformer", "from_package"]
