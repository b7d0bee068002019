"""adelie's group lasso in its own environment (numpy < 2): `python group_lasso.py DATA.npz`.

DATA.npz holds z-scores `[unit, neuron]`, labels, and a path of λ as shares of λ_max. Prints seconds, λ_max in our scale
(adelie's multinomial loss is over the number of labels) and for each λ the length of each neuron's weights.
"""

import json
import sys
import time

import adelie
import numpy as np


def main() -> None:
    data = np.load(sys.argv[1])
    activations = np.asfortranarray(data["activations"], dtype=np.float64)
    labels = np.eye(data["labels"].max() + 1)[data["labels"]]
    n, n_labels = activations.shape[1], labels.shape[1]
    rest = labels.mean(0) - labels
    largest = np.linalg.norm(rest.T @ activations / len(labels), axis=0).max()
    start = time.process_time()
    found = adelie.grpnet(
        X=activations, glm=adelie.glm.multinomial(labels), penalty=np.ones(n), intercept=True, early_exit=False,
        lmda_path=largest * data["shares"] / n_labels, progress_bar=False, tol=1e-9,
    )  # fmt: skip
    seconds = time.process_time() - start
    lengths = np.linalg.norm(found.betas.toarray().reshape(-1, n, n_labels), axis=2)
    print(json.dumps({"seconds": seconds, "lengths": lengths.tolist()}))


main()
