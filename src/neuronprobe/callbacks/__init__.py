"""Thin Lightning callbacks: one study each, when the bank is trained."""

from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.neuron_ranking import NeuronRanking
from neuronprobe.callbacks.study import StudyCallback
from neuronprobe.callbacks.subsets import Ablation, TopKRetraining

__all__ = ["Ablation", "LambdaSearch", "NeuronRanking", "StudyCallback", "TopKRetraining"]
