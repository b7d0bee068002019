"""`python train.py`: Linguistic Correlation Analysis once; every setting is a Hydra override (see --help)."""

import sys

from neuronprobe.__main__ import start

if __name__ == "__main__":
    sys.exit(start())
