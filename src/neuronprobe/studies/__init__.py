"""What is done with a trained bank and its rankings: one file per study, `f(trained, **settings) -> Result`."""

from neuronprobe.studies.ablation import ablation
from neuronprobe.studies.agreement import agreement
from neuronprobe.studies.baselines import baselines, corpus_summary
from neuronprobe.studies.compare_rankings import compare_rankings
from neuronprobe.studies.lambda_search import Grid, LambdaChoice, lambda_search
from neuronprobe.studies.layers import layers
from neuronprobe.studies.minimal_set import Minimum, minimal_set
from neuronprobe.studies.oracle import oracle
from neuronprobe.studies.ranking import ranking
from neuronprobe.studies.retraining import retraining
from neuronprobe.studies.selectivity import selectivity
from neuronprobe.studies.spread import spread
from neuronprobe.studies.stability import stability
from neuronprobe.studies.stability_selection import stability_selection
from neuronprobe.studies.stable_lambda import StableChoice, stable_lambda
from neuronprobe.studies.trained import Trained, named
from neuronprobe.studies.vocabulary import vocabulary

__all__ = [
    "Grid",
    "LambdaChoice",
    "Minimum",
    "StableChoice",
    "Trained",
    "ablation",
    "agreement",
    "baselines",
    "compare_rankings",
    "corpus_summary",
    "lambda_search",
    "layers",
    "minimal_set",
    "named",
    "oracle",
    "ranking",
    "retraining",
    "selectivity",
    "spread",
    "stability",
    "stability_selection",
    "stable_lambda",
    "vocabulary",
]
