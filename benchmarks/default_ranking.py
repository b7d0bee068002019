"""Which ranking should be the default: `python benchmarks/default_ranking.py DATA MODELS OUT [--only TEXT] [--table]`.

`experiment=compare_rankings` for five models × UD English EWT (UPOS, Penn tags; its dev trains, its train's first
sentences choose), PMB semantic tags and CoNLL-2000 chunks, about 25,000 words each; one job after the other, those that
are done are not run again. Ranks are averaged over the corpora of a model, then over models of one base, then over
bases: these alone are independent. DATA and MODELS are folders; further words are overrides of every job.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, studentized_range

from neuronprobe.jobs import open_job
from neuronprobe.studies.cells import PlainRow, find, first

ROOT = Path(__file__).parents[1]
MODELS = ("minilm", "rampart", "e5", "mpnet", "smollm2")
BASES = {"rampart": "minilm"}
"""Models that were tuned from another one of these: no independent evidence."""
FEWEST_BLOCKS = 5
"""With which a critical difference says something (Demsar 2006)."""
WORDS = 25_000


def corpora(data: Path) -> dict[str, list[str]]:
    """Overrides of each corpus with its property."""
    ewt = {split: data / "ud_english_ewt" / f"en_ewt-ud-{split}.conllu" for split in ("train", "dev", "test")}
    pmb, chunks = data / "pmb_semtag_4.0.0" / "en", data / "conll2000"
    files = {"train": ewt["dev"], "dev": ewt["train"], "test": ewt["test"]}
    treebank = ["corpus=conllu", *(f"corpus.{split}={path}" for split, path in files.items())]
    found = {
        "ewt_upos": [*treebank, "property=upos"],
        "ewt_xpos": [*treebank, "property=xpos"],
        "pmb_sem": ["corpus=pmb", *(f"corpus.{split}={pmb / split}.conll" for split in ewt)],
        "conll2000_chunk": ["corpus=conll2000", *(f"corpus.{one}={chunks / one}.txt" for one in ("train", "test"))],
    }
    return {name: [*own, f"corpus.max_words={WORDS}"] for name, own in found.items()}


def run(folder: Path, overrides: Sequence[str]) -> str | None:
    """One job, unless it is done; what went wrong."""
    if is_done(folder):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    settings = ["experiment=compare_rankings", f"hydra.run.dir={folder}", *overrides]
    command = [sys.executable, str(ROOT / "train.py"), *settings]
    with (folder / "screen.txt").open("w", encoding="utf-8") as screen:
        done = subprocess.run(command, cwd=ROOT, stdout=screen, stderr=screen)
    lines = (folder / "screen.txt").read_text(encoding="utf-8").strip().splitlines()
    return None if done.returncode == 0 else (lines or ["nothing was said"])[-1]


def is_done(folder: Path) -> bool:
    path = folder / "results.json"
    return path.is_file() and json.loads(path.read_bytes()).get("status") == "ok"


Cells = Mapping[tuple[str, str], Sequence[PlainRow]]
"""The rows of each model and corpus."""


def areas(rows: Sequence[PlainRow], what: str) -> dict[str, float]:
    """On test, of each ranking's tops, retrained."""
    wanted = {"study": "compare_rankings", "judge": "linear", "set": "top", "split": "test", "range": what}
    return {row["ranking"]: row["value"] for row in find(rows, metric="accuracy_area", **wanted)}


def mean_ranks(cells: Cells, what: str, names: Sequence[str]) -> tuple[np.ndarray, int]:
    """Over bases the mean of those over models of those over corpora, 1 is best; and how many bases there are."""
    by_base: dict[str, dict[str, list[np.ndarray]]] = {}
    for (model, _), rows in cells.items():
        found = areas(rows, what)
        ranks = rankdata([-found[name] for name in names])
        by_base.setdefault(BASES.get(model, model), {}).setdefault(model, []).append(ranks)
    bases = [np.mean([np.mean(own, 0) for own in models.values()], 0) for models in by_base.values()]
    return np.mean(bases, 0), len(bases)


def table(cells: Cells, what: str) -> Iterator[str]:
    """A line for each ranking, the best mean rank first."""
    common = set.intersection(*(set(areas(rows, what)) for rows in cells.values()))
    names = [name for name in areas(next(iter(cells.values())), what) if name in common]
    ranks, n_bases = mean_ranks(cells, what, names)
    best = [row for rows in cells.values() if (row := first(rows, metric="best", judge="linear", range=what))]
    yield f"\n## {what} sets, retrained: ranks over {len(cells)} cells of {n_bases} independent models\n"
    yield "| ranking | mean rank | best on dev | named best | not told from the best | ahead of lca | " + " | ".join(
        f"{model} {corpus}" for model, corpus in cells
    ) + " |"  # fmt: skip
    yield "|" + "---|" * (6 + len(cells))
    for i in np.argsort(ranks, kind="stable"):
        name = names[i]
        own = [areas(rows, what) for rows in cells.values()]
        chosen = [row for row in best if row["ranking"] == name]
        counts = (len(chosen), sum(row["is_best"] for row in chosen), sum(name in row["equals"] for row in best),
                  sum(one[name] > one.get("lca", np.inf) for one in own))  # fmt: skip
        values = " | ".join(f"{100 * one[name]:.1f}" for one in own)
        yield f"| {name} | {ranks[i]:.1f} | {' | '.join(map(str, counts))} | {values} |"
    every = [areas(rows, what) for rows in cells.values()]
    throughout = [name for name in names if all(one[name] > one.get("lca", np.inf) for one in every)]
    yield f"\nAhead of lca in every cell: {', '.join(throughout) or 'none'}."
    yield critical_difference(len(names), n_bases)


def critical_difference(n_rankings: int, n_blocks: int) -> str:
    """Nemenyi's, where there are enough independent blocks."""
    if n_blocks < FEWEST_BLOCKS:
        return f"No critical difference: it takes {FEWEST_BLOCKS} independent blocks, there are {n_blocks}."
    q = studentized_range.ppf(0.95, n_rankings, np.inf) / np.sqrt(2)
    difference = q * np.sqrt(n_rankings * (n_rankings + 1) / (6 * n_blocks))
    return f"Critical difference of mean ranks (Nemenyi, 5 %): {difference:.1f}."


def stable(cells: Cells) -> Iterator[str]:
    """What two resamples share of the top of small sets."""
    found: dict[str, list[float]] = {}
    for rows in cells.values():
        for row in find(rows, study="compare_rankings", metric="overlap", over="resamples", range="small"):
            found.setdefault(row["ranking"], []).append(row["value"])
    yield "\n## Stability: what two resamples share of small tops, %\n"
    yield "| ranking | mean | least | cells |\n|---|---|---|---|"
    for name, values in sorted(found.items(), key=lambda item: -np.mean(item[1])):
        yield f"| {name} | {100 * np.mean(values):.0f} | {100 * min(values):.0f} | {len(values)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", default=[""], help="parts of names of cells, as minilm or minilm/ewt_upos")
    parser.add_argument("--table", action="store_true", help="run nothing")
    options, overrides = parser.parse_known_args()
    wanted = [(model, corpus) for model in MODELS for corpus in corpora(options.data)]
    missing = []
    for model, corpus in wanted:
        folder = (options.out / model / corpus).absolute()
        error = None
        if not options.table and any(text in f"{model}/{corpus}" for text in options.only):
            print(f"{model}/{corpus}", file=sys.stderr, flush=True)
            settings = ["model=hf", f"model.name={(options.models / model).absolute()}",
                        f"activations.folder={(options.out / 'store').absolute()}"]  # fmt: skip
            error = run(folder, [*settings, *corpora(options.data.absolute())[corpus], *overrides])
        if not is_done(folder):
            missing.append(f"{model} {corpus}" + (f" ({error})" if error else ""))
    cells = {cell: open_job(folder).rows for cell in wanted if is_done(folder := options.out / cell[0] / cell[1])}
    lines = [f"# Rankings of {len(cells)} of {len(wanted)} cells", f"\nNot run: {', '.join(missing) or 'none'}."]
    if cells:
        lines += [*table(cells, "small"), *table(cells, "large"), *stable(cells)]
    (options.out / "default_ranking.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
