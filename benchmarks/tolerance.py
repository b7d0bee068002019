"""How loose the tolerance of `probe=exact` may be: `python benchmarks/tolerance.py DATA MODELS FOLDER`.

The grid of `probe=exact` in each cell (model × corpus, about 25,000 words of train), solved to residuals of 1e-4 to
1e-7 in float32; what LCA's top 1, 5 and 20 % and its first block share with those of a solution in float64 to 1e-9,
least over the grid. A solution that is in FOLDER is not made again; cells that are not there are named (`--cells`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from neuronprobe.activations import ActivationsDataModule, Split
from neuronprobe.corpora import ColumnsCorpus, ConlluCorpus, starter
from neuronprobe.models import FrozenTransformer
from neuronprobe.probes import ExactFit, Probe
from neuronprobe.probes.solvers import proximal_newton
from neuronprobe.properties import SpanProperty, WordProperty
from neuronprobe.quiet import quiet
from neuronprobe.rankings import Evidence, lca
from neuronprobe.studies.overlap import first_blocks, overlap, top_sets
from neuronprobe.types import Ranking

GRID: dict[str, Any] = {"l1_shares": [0.3, 0.1, 0.03, 0.01], "l2": [1e-3, 1e-2]}
REFERENCE, NEAR, TOLERANCES = 1e-9, 1e-8, (1e-4, 1e-5, 1e-6, 1e-7)
SHARES = (0.01, 0.05, 0.2)
ENOUGH = 0.995
WORDS = 25_000
"""Of train, where a corpus has more."""


@dataclass(frozen=True)
class Cell:
    """One model on one corpus with its property."""

    model: str
    corpus: Callable[[Path], Any]
    prop: WordProperty | SpanProperty


def ewt(data: Path) -> ConlluCorpus:
    """UD English EWT: dev trains."""
    files = {split: str(data / f"ud_english_ewt/en_ewt-ud-{split}.conllu") for split in ("dev", "test")}
    return ConlluCorpus(files["dev"], files["dev"], files["test"])


def pmb(data: Path) -> ColumnsCorpus:
    """Parallel Meaning Bank 4.0.0, English: the first words."""
    folder = data / "pmb_semtag_4.0.0/en"
    files = {split: str(next(folder.glob(f"*{split}*"))) for split in ("train", "dev", "test")}
    columns = {"form": 0, "sem": 3}
    return ColumnsCorpus(
        **files, columns=columns, separator="tab", comment="#", document="# newdoc", joiner="~", max_words=WORDS
    )


def conll2000(data: Path) -> ColumnsCorpus:
    """CoNLL-2000: the first words."""
    files = {split: str(data / f"conll2000/{split}.txt") for split in ("train", "test")}
    columns = {"form": 0, "xpos": 1, "chunk": 2}
    return ColumnsCorpus(**files, columns=columns, held_out=1000, max_words=WORDS)


MODELS = {
    "bert-tiny": "bert-tiny",
    "MiniLM": "minilm",
    "rampart": "rampart",
    "e5": "e5",
    "MPNet": "mpnet",
    "SmolLM2": "smollm2",
}
CORPORA: dict[str, tuple[Callable[[Path], Any], WordProperty | SpanProperty]] = {
    "EWT dev XPOS": (ewt, WordProperty("xpos")),
    "PMB SEM": (pmb, WordProperty("sem")),
    "CoNLL-2000 chunks": (conll2000, SpanProperty("chunk", read="iob2")),
}
CELLS = {"starter UPOS, MiniLM": Cell("minilm", lambda _: starter(), WordProperty("upos"))} | {
    f"{corpus}, {model}": Cell(folder, read, prop)
    for model, folder in MODELS.items()
    for corpus, (read, prop) in CORPORA.items()
}


def opened(cell: Cell, data: Path, models: Path, store: Path) -> Split:
    """Train, extracted where `store` does not have it."""
    module = ActivationsDataModule(
        cell.corpus(data), cell.prop, FrozenTransformer(str(models / cell.model)), str(store)
    )
    module.prepare_data()
    module.setup()
    return module.split("train")


def solved(train: Split, tolerance: float, path: Path) -> list[Probe]:
    """The probes of the grid; from the file where it is there."""
    if path.is_file():
        return torch.load(path, weights_only=False)["probes"]
    start = time.process_time()
    probes = reference(train) if tolerance == REFERENCE else fitted(train, tolerance)
    aside = path.with_suffix(".part")
    torch.save({"probes": probes, "seconds": time.process_time() - start}, aside)
    aside.rename(path)
    return probes


def fitted(train: Split, tolerance: float, **options: Any) -> list[Probe]:
    """By solver exact, as jobs have it."""
    fit = ExactFit(**GRID, tolerance=tolerance, **options).related(train)
    return fit(fit.grid(), train)


def reference(train: Split) -> list[Probe]:
    """In float64: proximal Newton, whose models are float32 and end at about 3e-9, then FISTA from there."""
    near = fitted(train, NEAR, precision="64-true")
    fit = ExactFit(**GRID, tolerance=REFERENCE, precision="64-true").related(train)
    dense, proximal_newton.DENSE = proximal_newton.DENSE, 0.0
    probes = fit([replace(member, near=probe) for member, probe in zip(fit.grid(), near, strict=True)], train)
    proximal_newton.DENSE = dense
    return probes


def ranked(probes: list[Probe], train: Split) -> list[Ranking]:
    """Of each probe by LCA."""
    return [lca(Evidence(train, train, None, 0, probe)) for probe in probes]


def shared(found: list[Ranking], reference: list[Ranking], train: Split) -> list[float]:
    """Least over the grid: what the tops and the first blocks share."""
    least = []
    for share in (*SHARES, None):
        pairs = []
        for pair in zip(found, reference, strict=True):
            sets = first_blocks(pair) if share is None else top_sets(pair, round(share * len(train.neurons)))
            pairs.append(float(overlap(sets, train.neurons).pairs[0]))
        least.append(min(pairs))
    return least


def lines(name: str, train: Split, folder: Path) -> None:
    """A line for each tolerance."""
    files = {tolerance: folder / f"{name}, {tolerance:g}.pt" for tolerance in (*TOLERANCES, REFERENCE)}
    reference = solved(train, REFERENCE, files[REFERENCE])
    best, worst = ranked(reference, train), _worst(reference)
    for tolerance in TOLERANCES:
        probes = solved(train, tolerance, files[tolerance])
        found = shared(ranked(probes, train), best, train)
        seconds = torch.load(files[tolerance], weights_only=False)["seconds"]
        cells = " | ".join(f"{one:.3f}" for one in found)
        enough = "yes" if min(found) >= ENOUGH else "no"
        print(
            f"| {name} | {tolerance:g} | {_worst(probes):.0e} ({worst:.0e}) | {cells} | {enough} | {seconds:.0f} |",
            flush=True,
        )


def _worst(probes: list[Probe]) -> float:
    return max(probe.optimality.residual for probe in probes if probe.optimality is not None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", nargs="*", default=list(CELLS))
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    sizes = " | ".join(f"top {share:.0%}" for share in SHARES)
    print(f"| cell | tolerance | worst residual (of the reference) | {sizes} | first block | enough | s |")
    print(f"|---|---|---|{'---|' * (len(SHARES) + 1)}---|---|")
    for name in options.cells:
        lines(name, opened(CELLS[name], options.data, options.models, options.folder / "store"), options.folder)
    left = [name for name in CELLS if not (options.folder / f"{name}, {REFERENCE:g}.pt").is_file()]
    print(f"not run: {'; '.join(left) or 'none'}")


if __name__ == "__main__":
    main()
