"""The frozen transformer hook: a vector per word from each layer of each site, of a model or of another program.

`source` says what both kinds of activations give. `network` (load, freeze, forward, subword to word) knows no site;
`sites` (find, check, read, edit) stands on it. `transformer` joins these two; `formats` (files of other programs) takes
of them only what sites are called. Imports go that way alone: source, network, sites, then transformer beside formats.
"""

from neuronprobe.models.formats.precomputed import PrecomputedActivations
from neuronprobe.models.sites.interventions import Intervention, shift, to_mean, to_value, to_zero
from neuronprobe.models.source import Chunk, Source
from neuronprobe.models.transformer import FrozenTransformer, from_package

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
