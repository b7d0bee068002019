"""Rankings: all neurons, most salient first; one file per algorithm, evidence in, a `Ranking` out."""

from neuronprobe.rankings.checking import checked
from neuronprobe.rankings.evidence import Evidence, Rank
from neuronprobe.rankings.lca import lca
from neuronprobe.rankings.magnitude import magnitude
from neuronprobe.rankings.probeless import probeless
from neuronprobe.rankings.ridge import ridge

__all__ = ["Evidence", "Rank", "checked", "lca", "magnitude", "probeless", "ridge"]
