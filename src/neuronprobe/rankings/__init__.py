"""Rankings: all neurons, most salient first."""

from neuronprobe.rankings.lca import lca

__all__ = ["lca"]
