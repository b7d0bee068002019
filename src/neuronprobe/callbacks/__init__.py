"""Thin Lightning callbacks: one study each, when the bank is trained."""

from neuronprobe.callbacks.agreement import Agreement
from neuronprobe.callbacks.compare_rankings import CompareRankings
from neuronprobe.callbacks.lambda_search import LambdaSearch
from neuronprobe.callbacks.layers import LayerProbes
from neuronprobe.callbacks.minimal_set import MinimalSet
from neuronprobe.callbacks.neuron_ranking import NeuronRanking
from neuronprobe.callbacks.portraits import Portraits
from neuronprobe.callbacks.selectivity import Selectivity
from neuronprobe.callbacks.spread import Spread
from neuronprobe.callbacks.stability import Stability
from neuronprobe.callbacks.stability_selection import StabilitySelection
from neuronprobe.callbacks.stable_lambda import StableLambdaSearch
from neuronprobe.callbacks.study import SearchCallback, StudyCallback, in_order
from neuronprobe.callbacks.subsets import Ablation, TopKRetraining

__all__ = [
    "Ablation",
    "Agreement",
    "CompareRankings",
    "LambdaSearch",
    "LayerProbes",
    "MinimalSet",
    "NeuronRanking",
    "Portraits",
    "SearchCallback",
    "Selectivity",
    "Spread",
    "Stability",
    "StabilitySelection",
    "StableLambdaSearch",
    "StudyCallback",
    "TopKRetraining",
    "in_order",
]
