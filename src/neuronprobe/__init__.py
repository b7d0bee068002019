"""Finds the neurons of a frozen pre-trained transformer that carry a linguistic property."""

from importlib import import_module
from typing import Any

_HOMES = {
    "ActivationsDataModule": "activations",
    "ConlluCorpus": "corpora",
    "ExactFit": "probes",
    "Fit": "probes",
    "FrozenTransformer": "models",
    "WordProperty": "properties",
    "WordsCorpus": "corpora",
    "ablation": "studies",
    "lca": "rankings",
    "magnitude": "rankings",
    "neuron_portraits": "gallery",
    "open_job": "jobs",
    "retraining": "studies",
    "starter": "corpora",
    "train": "training",
}
__all__ = list(_HOMES)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """The public names come when they are asked for: `import neuronprobe` alone loads no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'neuronprobe' has no attribute {name!r}")
    return getattr(import_module(f"neuronprobe.{_HOMES[name]}"), name)
