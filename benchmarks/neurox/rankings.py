"""NeuroX's rankings that read activations, in its own environment: `python rankings.py DATA.npz [SOURCE]`.

DATA.npz holds train, train_labels, the sentence of each word, the number of layers, and `few`, the neurons that the
Gaussian is asked about. SOURCE is a checkout of NeuroX: its package has no average precision and no Gaussian, which its
repository does. The latter calls torch.eig, which is no more: it is given torch.linalg.eigvals, and two neurons to
select, one after another. Prints seconds of CPU, orders of the neurons, and those of each label by average precision
over the first 10 of `few`.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

np.int = int  # NeuroX is older than numpy 1.24
if len(sys.argv) > 2:
    sys.path.insert(0, sys.argv[2])

import h5py  # noqa: E402
import torch  # noqa: E402
from neurox.data import loader  # noqa: E402
from neurox.interpretation import probeless, utils  # noqa: E402


def eig(matrix):
    return SimpleNamespace(eigenvalues=torch.linalg.eigvals(matrix).real[:, None])


def clock(work):
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def written(path, train, sentences, layers):
    """As its extractor writes activations: one array of layers x words x neurons for each sentence."""
    ends = np.flatnonzero(np.diff(sentences)) + 1
    parts = [part.reshape(len(part), layers, -1).transpose(1, 0, 2) for part in np.split(train, ends)]
    with h5py.File(path, "w") as file:
        for i, part in enumerate(parts):
            file.create_dataset(str(i), data=part)
        index = file.create_dataset("sentence_to_index", (1,), dtype=h5py.string_dtype())
        index[0] = json.dumps({f"sentence {i}": str(i) for i in range(len(parts))})
    return [part.shape[1] for part in parts]


def loaded(path, labels, sizes):
    """What its users do until they have rows and labels."""
    activations, _ = loader.load_activations(path)
    own = np.split(np.array([f"l{c:02}" for c in labels]), np.cumsum(sizes)[:-1])
    tokens = {"source": [["word"] * n for n in sizes], "target": [list(part) for part in own]}
    return utils.create_tensors(tokens, activations, "l00")


def from_source(train, labels, few):
    from neurox.interpretation import gaussian_probe, iou_probe

    torch.eig = eig
    fitting, probe = clock(lambda: gaussian_probe.GaussianProbe(train[:, few].astype(np.float64), labels))
    selecting, chosen = clock(lambda: gaussian_probe.get_neuron_ordering(probe, 2))
    some = few[:10]
    found = [clock(lambda c=c: iou_probe.get_neuron_ordering(train[:, some].copy(), labels == c, 0.0))
             for c in range(labels.max() + 1)]  # fmt: skip
    return {
        "gaussian": {"fit": fitting, "a_set": selecting / (2 * len(few) - 1), "order": [int(n) for n in chosen]},
        "average_precision": {
            "seconds": sum(one for one, _ in found),
            "orders": [order.tolist() for _, order in found],
        },
    }


def main() -> None:
    data = np.load(sys.argv[1])
    train, labels, few = np.ascontiguousarray(data["train"], dtype=np.float32), data["train_labels"], data["few"]
    names = {c: str(c) for c in range(labels.max() + 1)}
    torch.set_num_threads(1)
    with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        runs = [clock(lambda: probeless.get_neuron_ordering(train, labels)) for _ in range(5)]
        every = [clock(lambda: probeless.get_neuron_ordering_for_all_tags(train, labels, names)) for _ in range(3)]
        found = from_source(train, labels, few) if len(sys.argv) > 2 else {}
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/activations.hdf5"
            sizes = written(path, train, data["sentences"], int(data["layers"]))
            loading, _ = clock(lambda: loaded(path, labels, sizes))
    found["probeless"] = {
        "seconds": float(np.median([seconds for seconds, _ in runs])), "order": runs[0][1],
        "loading": loading, "all": float(np.median([seconds for seconds, _ in every])),
    }  # fmt: skip
    print(json.dumps(found))


main()
