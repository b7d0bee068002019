"""`python train.py`: Linguistic Correlation Analysis once; every setting is a Hydra override (see --help)."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from neuronprobe.command import Ended, main, one_job


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def job(config: DictConfig) -> Ended:
    """One job; returns what a sweep optimises, or its failure."""
    from neuronprobe.run import run

    return one_job(run, config)


if __name__ == "__main__":
    sys.exit(main(job))
