"""The command `python -m neuronprobe.store list|size|remove|verify`: nothing but `main` of `activations.stores`."""

import sys

from neuronprobe.activations.stores import main
from neuronprobe.command import ended

if __name__ == "__main__":
    sys.exit(ended(main))
