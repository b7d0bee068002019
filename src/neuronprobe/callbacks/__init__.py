"""Thin Lightning callbacks: one study each, when the bank is trained."""

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.minimal_set import MinimalSet
from neuronprobe.callbacks.neuron_ranking import NeuronRanking
from neuronprobe.callbacks.selectivity import Selectivity
from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.callbacks.subsets import Ablation, TopKRetraining

__all__ = [
    "Ablation",
    "LambdaSearch",
    "MinimalSet",
    "NeuronRanking",
    "Selectivity",
    "StudyCallback",
    "TopKRetraining",
]
