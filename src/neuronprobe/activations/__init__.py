"""One pass over the corpus, the store on disk, and the data module that reads it."""

from neuronprobe.activations.data import ActivationsDataModule
from neuronprobe.activations.files import StoreError
from neuronprobe.activations.split import BatchStream, Split, Standardisation
from neuronprobe.activations.store import Store

__all__ = ["ActivationsDataModule", "BatchStream", "Split", "Standardisation", "Store", "StoreError"]
