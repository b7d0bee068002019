"""What is done with a trained bank and a ranking: pure functions, rows out."""

from neuronprobe.studies.ablation import ablation
from neuronprobe.studies.baselines import baselines, corpus_summary
from neuronprobe.studies.lambda_search import LambdaChoice, lambda_search
from neuronprobe.studies.layers import layers
from neuronprobe.studies.minimal_set import MinimalSets, Minimum, minimal_set
from neuronprobe.studies.oracle import oracle
from neuronprobe.studies.ranking import ranking_rows
from neuronprobe.studies.retraining import retraining
from neuronprobe.studies.selectivity import selectivity
from neuronprobe.studies.spread import spread
from neuronprobe.studies.stability import stability
from neuronprobe.studies.stable_lambda import StableChoice, stable_lambda

__all__ = [
    "LambdaChoice",
    "MinimalSets",
    "Minimum",
    "StableChoice",
    "ablation",
    "baselines",
    "corpus_summary",
    "lambda_search",
    "layers",
    "minimal_set",
    "oracle",
    "ranking_rows",
    "retraining",
    "selectivity",
    "spread",
    "stability",
    "stable_lambda",
]
