"""Reading and labelling large treebanks: words per second, and anonymous memory, at 1 and 10 million words.

`python benchmarks/corpora.py FILE.conllu FOLDER` writes the large ones into FOLDER: FILE again and again, every
sentence with a word of its own.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import conllu

from neuronprobe.corpora import Forms
from neuronprobe.corpora.conllu import read_conllu
from neuronprobe.properties import WordProperty, collect


def anonymous() -> float:
    """MB of anonymous resident memory."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(found[1]) / 1000 if found else float("nan")


def enlarged(source: Path, folder: Path, n_words: int) -> Path:
    """A file of at least so many words."""
    path = folder / f"{n_words}.conllu"
    blocks = source.read_text(encoding="utf-8").strip().split("\n\n")
    with path.open("w", encoding="utf-8") as file:
        written = 0
        while written < n_words:
            for block in blocks:
                own = re.sub(r"(?m)^1\t[^\t]+", f"1\tword{written}", block, count=1)
                file.write(own + "\n\n")
                written += len(re.findall(r"(?m)^\d+\t", block))
    return path


def measure(path: Path) -> None:
    """Read alone; then read, digest, label."""
    before, start = anonymous(), time.process_time()
    n_words = sum(len(sentence.words) for sentence in read_conllu(path))
    alone = time.process_time() - start
    middle, start = anonymous(), time.process_time()
    units = collect(WordProperty("upos").units(Forms().of(read_conllu(path))))
    whole = time.process_time() - start
    held = 3 * 8 * len(units) / 1e6 + 8 * len(units.types) / 1e6
    print(
        f"{n_words:,} words: read {n_words / alone:,.0f} words/s ({middle - before:+.0f} MB), with units "
        f"{n_words / whole:,.0f} words/s ({anonymous() - middle:+.0f} MB, of which rows, labels, sentences, types "
        f"{held:.0f} MB)"
    )


def main() -> None:
    """The library on the file itself, then the reader on all."""
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    start = time.process_time()
    n_words = sum(len(one) for one in conllu.parse_incr(source.open(encoding="utf-8")))
    print(f"conllu {conllu.__version__ if hasattr(conllu, '__version__') else ''}: "
          f"{n_words / (time.process_time() - start):,.0f} words/s")  # fmt: skip
    for path in (source, enlarged(source, folder, 1_000_000), enlarged(source, folder, 10_000_000)):
        measure(path)


if __name__ == "__main__":
    main()
