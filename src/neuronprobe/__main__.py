"""The command itself: `python train.py` in the repository, `neuronprobe` where the package is installed."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from neuronprobe.command import CONF, Ended, ended, main, one_job
from neuronprobe.processes import refuse_several


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def job(config: DictConfig) -> Ended:
    """One job; returns what a sweep optimises, or its failure."""
    from neuronprobe.several import run_all

    return one_job(run_all, config)


def start() -> int:
    """The exit code of a run or a sweep."""
    return ended(lambda: main(_alone))


def _alone() -> None:
    refuse_several()  # before Hydra makes a folder for each
    job()


if __name__ == "__main__":
    sys.exit(start())
