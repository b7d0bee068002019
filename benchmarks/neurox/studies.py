"""NeuroX's ranking and retraining in its own environment: `python studies.py DATA.npz L1 L2 [EPOCHS] [BATCH]`.

DATA.npz holds train, train_labels, `weights` of a trained probe, and `sets`: flat indices of the neurons of each set
to retrain on, -1 behind them. Prints the seconds of one probe on all neurons, of the ranking at stride 1000, of all
retrainings; and the sets at the 101 cut-offs of stride 100 for the given weights.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

np.int = int  # NeuroX is older than numpy 1.24

import torch  # noqa: E402
import torch._dynamo  # noqa: E402 (torch.optim imports it at first use: seconds that are not training)
from neurox.interpretation import ablation, linear_probe  # noqa: E402


def clock(work):
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def main() -> None:
    data = np.load(sys.argv[1])
    l1, l2 = map(float, sys.argv[2:4])
    epochs, batch = map(int, sys.argv[4:6] or (10, 32))
    train, labels = np.ascontiguousarray(data["train"], dtype=np.float32), data["train_labels"]
    weights = torch.from_numpy(data["weights"])
    given = linear_probe.LinearProbe(weights.shape[1], weights.shape[0])
    given.linear.weight.data = weights
    classes = {str(c): c for c in range(len(weights))}

    def fit(inputs):
        return linear_probe.train_logistic_regression_probe(
            inputs, labels, lambda_l1=l1, lambda_l2=l2, num_epochs=epochs, batch_size=batch
        )

    def retrain():
        for chosen in data["sets"]:
            fit(ablation.filter_activations_keep_neurons(train, chosen[chosen >= 0]))

    with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        one, _ = clock(lambda: fit(train))
        ranking, _ = clock(lambda: linear_probe.get_neuron_ordering(given, classes, search_stride=1000))
        order, cuts = linear_probe.get_neuron_ordering(given, classes, search_stride=100)
        retraining, _ = clock(retrain)
    sets = [sorted(map(int, order[:cut])) for cut in cuts]
    print(json.dumps({"probe": one, "ranking": ranking, "retraining": retraining, "sets": sets}))


main()
