"""What is done with a trained bank and a ranking: pure functions, rows out."""

from neuronprobe.studies.ablation import ablation
from neuronprobe.studies.baselines import baselines, corpus_summary
from neuronprobe.studies.lambda_search import LambdaChoice, lambda_search
from neuronprobe.studies.oracle import oracle
from neuronprobe.studies.ranking import ranking_rows
from neuronprobe.studies.retraining import retraining

__all__ = [
    "LambdaChoice",
    "ablation",
    "baselines",
    "corpus_summary",
    "lambda_search",
    "oracle",
    "ranking_rows",
    "retraining",
]
