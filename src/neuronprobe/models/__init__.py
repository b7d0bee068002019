"""The frozen transformer hook: load, freeze, check, read, edit; a vector per word from each layer of each site."""

from neuronprobe.models.formats.precomputed import PrecomputedActivations
from neuronprobe.models.network.batches import Chunk, Source
from neuronprobe.models.package import from_package
from neuronprobe.models.sites.interventions import Intervention, shift, to_mean, to_value, to_zero
from neuronprobe.models.transformer import FrozenTransformer

__all__ = [
    "Chunk",
    "FrozenTransformer",
    "Intervention",
    "PrecomputedActivations",
    "Source",
    "from_package",
    "shift",
    "to_mean",
    "to_value",
    "to_zero",
]
