"""NeuroX's probe in its own environment: `python probe.py DATA.npz L1 L2 [EPOCHS] [BATCH]`.

DATA.npz holds train, train_labels, test, test_labels. Prints {"seconds" of training alone, "accuracy" on test}.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

np.int = int  # NeuroX is older than numpy 1.24

import torch._dynamo  # noqa: E402, F401 (torch.optim imports it at first use: seconds that are not training)
from neurox.interpretation import linear_probe  # noqa: E402


def main() -> None:
    data = np.load(sys.argv[1])
    l1, l2 = map(float, sys.argv[2:4])
    epochs, batch = map(int, sys.argv[4:6] or (10, 32))
    train, test = (np.ascontiguousarray(data[name], dtype=np.float32) for name in ("train", "test"))
    with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        start = time.perf_counter()
        probe = linear_probe.train_logistic_regression_probe(
            train, data["train_labels"], lambda_l1=l1, lambda_l2=l2, num_epochs=epochs, batch_size=batch
        )
        seconds = time.perf_counter() - start
        accuracy = linear_probe.evaluate_probe(probe, test, data["test_labels"])["__OVERALL__"]
    print(json.dumps({"seconds": seconds, "accuracy": float(accuracy)}))


main()
