"""NeuroX's extractor in its own environment: `python extract.py MODEL_FOLDER SENTENCES.txt OUT.hdf5`.

Prints {"seconds", "words"}; the model's load is left out. OUT.hdf5.npy has the vectors as one array [word, neuron].
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

np.int = int  # NeuroX is older than numpy 1.24

import h5py  # noqa: E402
from neurox.data.extraction import transformers_extractor  # noqa: E402


def main() -> None:
    folder, sentences, target = sys.argv[1:]
    with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        loaded = transformers_extractor.get_model_and_tokenizer(folder, device="cpu")
        transformers_extractor.get_model_and_tokenizer = lambda *_, **__: loaded
        start = time.perf_counter()
        transformers_extractor.extract_representations(
            folder, sentences, target, device="cpu", aggregation="last", output_type="hdf5"
        )
        seconds = time.perf_counter() - start
    with h5py.File(target, "r") as file:
        keys = sorted((key for key in file if key != "sentence_to_index"), key=int)
        parts = [file[key][:].transpose(1, 0, 2).reshape(file[key].shape[1], -1) for key in keys]
    np.save(f"{target}.npy", np.concatenate(parts))
    print(json.dumps({"seconds": seconds, "words": sum(map(len, parts))}))


main()
