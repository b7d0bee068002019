"""Which solver is the better default: `python benchmarks/solvers.py DATA_FOLDER MODELS_FOLDER OUTPUT_FOLDER`.

Jobs of adam, proximal and exact on six models × EWT Penn tags, PMB semantic tags and CoNLL-2000 chunks, some 25,000
words of each split; each in a folder of OUTPUT_FOLDER, where a finished one is not run again. Then the table of paired
differences, exact − adam and proximal − adam: of accuracies over test sentences (bootstrap), of stability over the
resamples that both solvers shared (jackknife); p of "worse than by the margin", corrected by Holm over all cells.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from scipy.stats import t as student
from torch import Tensor

from neuronprobe import callbacks
from neuronprobe.jobs import Job, open_job
from neuronprobe.studies import Trained
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.types import Result

module: Any = importlib.import_module("neuronprobe.studies.stability")
SOLVERS = ("adam", "exact", "proximal")
MODELS = {"bert-tiny": "bert_tiny", "minilm": "minilm", "rampart": "rampart", "e5": "e5", "mpnet": "mpnet",
          "smollm2": "smollm2"}  # fmt: skip
PMB = "pmb_semtag_4.0.0/en"
EWT = "ud_english_ewt/en_ewt-ud"
CORPORA = {
    "EWT xpos": ["corpus=conllu", "property=xpos", f"corpus.train={EWT}-dev.conllu", f"corpus.dev={EWT}-train.conllu",
                 f"corpus.test={EWT}-test.conllu"],
    "PMB sem": ["corpus=pmb", f"corpus.train={PMB}/train.conll", f"corpus.dev={PMB}/dev.conll",
                f"corpus.test={PMB}/test.conll"],
    "CoNLL chunk": ["corpus=conll2000", "corpus.train=conll2000/train.txt", "corpus.test=conll2000/test.txt"],
}  # fmt: skip
SETTINGS = [
    "corpus.max_words=25200", "callbacks=solvers", "allow_targets=[solvers.]",
]  # fmt: skip
MARGINS = {"oracle": 0.005, "kept 10 %": 0.005, "kept 20 %": 0.005, "retrained 5 %": 0.005, "retrained 20 %": 0.005,
           "stability 5 %": 0.02}  # fmt: skip
LEVEL = 0.05
RESAMPLED = 5
"""Which of a job's overlaps are of resamples' top 5 %: three sizes and the first block of the seeds come before."""
STUDIES = """
defaults: [default]
ablation: {sizes: [0.1, 0.2], draws: 5, tested_draws: 199}
retraining: {sizes: [0.05, 0.2], draws: 2}
stability: {_target_: solvers.PairedStability, sizes: [0.01, 0.05, 0.2], seeds: 1, resamples: 6}
minimal_set: {_target_: neuronprobe.callbacks.MinimalSet, tolerances: [0.01], draws: 2, search: bisection}
"""


class PairedStability(callbacks.Stability):
    """Stability that leaves the overlap of each pair in the job's folder."""

    def study(self, trained: Trained, **results: Result) -> Result:
        """The study, and overlaps.json: the number of rankings and the overlaps of all pairs, in the study's order."""
        found, overlap = [], module.overlap

        def kept(sets: Tensor, table: Any) -> Any:
            one = overlap(sets, table)
            found.append((len(sets), one.pairs.tolist()))
            return one

        module.overlap = kept
        try:
            result = super().study(trained, **results)
        finally:
            module.overlap = overlap
        return result + Result((), files={"overlaps.json": json.dumps(found).encode()})


def is_done(folder: Path) -> bool:
    """Whether a job ended well."""
    return (folder / "results.json").is_file() and open_job(folder).results["status"] == "ok"


def run(folder: Path, overrides: list[str]) -> str:
    """Ran before, runs now, or what went wrong."""
    if is_done(folder):
        return "done"
    folder.mkdir(parents=True, exist_ok=True)
    start, here = time.time(), Path(__file__).parent
    root = here.parent
    env = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=os.pathsep.join([str(root / "src"), str(here)]))
    with (folder / "screen.txt").open("w") as screen:
        command = [sys.executable, str(root / "train.py"), *overrides, f"hydra.run.dir={folder}"]
        code = subprocess.run(command, env=env, stdout=screen, stderr=subprocess.STDOUT, check=False).returncode
    (folder / "seconds.txt").write_text(f"{time.time() - start:.0f}\n")
    return "ran" if code == 0 else f"failed with {code}"


def overrides(data: Path, models: Path, output: Path, model: str, corpus: str, solver: str) -> list[str]:
    given = [one.replace("=", f"={data}/", 1) if one.startswith(("corpus.train", "corpus.dev", "corpus.test")) else one
             for one in CORPORA[corpus]]  # fmt: skip
    named = [] if model == "minilm" else [f"model.name={models / model}"]
    return [f"--config-dir={output / 'conf'}", f"model={MODELS[model]}", *named, *given, *SETTINGS, f"probe={solver}",
            f"activations.folder={output / 'store'}"]  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """Difference to adam with its standard error; its one-sided test is of t with these degrees of freedom."""

    model: str
    corpus: str
    what: str
    ours: float
    theirs: float
    error: float
    degrees: float

    @property
    def difference(self) -> float:
        return self.ours - self.theirs

    @property
    def p(self) -> float:
        """Of a difference so high, were the solver worse by the margin."""
        if self.error == 0:
            return float(self.difference <= -MARGINS[self.what])
        return float(student.sf((self.difference + MARGINS[self.what]) / self.error, self.degrees))

    @property
    def ends(self) -> tuple[float, float]:
        half = self.error * float(student.ppf(0.975, self.degrees))
        return self.difference - half, self.difference + half


def accuracies(ours: Job, theirs: Job) -> dict[str, tuple[float, float, float, float]]:
    """Both values, standard error over test sentences, degrees of freedom."""
    one, other, units, found = ours.correct, theirs.correct, ours.correct["units"], {}
    sizes = {share: max(1, round(share * len(ours.table))) for share in (0.05, 0.1, 0.2)}
    names = {"oracle": "oracle"}
    names |= {f"kept {share:.0%}": f"ablation/mean/lca/top-{sizes[share]}" for share in (0.1, 0.2)}
    names |= {f"retrained {share:.0%}": f"retraining/lca/top-{sizes[share]}" for share in (0.05, 0.2)}
    bootstrap = Bootstrap(units, 0)
    for what, name in names.items():
        what = what.replace("%", " %")
        spread = bootstrap.values((one[name] - other[name])[None])[:, 0].std()
        mine, adams = (float(counts[name].sum() / units.sum()) for counts in (one, other))
        found[what] = (mine, adams, float(spread), len(units) - 1.0)
    return found


def jackknife(ours: Path, theirs: Path) -> tuple[float, float, float, float]:
    """Overlap of the top 5 % of two resamples: means over all pairs, error of their difference over resamples."""
    (n, one), (_, other) = (json.loads((job / "overlaps.json").read_text())[RESAMPLED] for job in (ours, theirs))
    first, second = torch.triu_indices(n, n, offset=1)
    pairs = torch.tensor([one, other]).double()
    difference = pairs[0] - pairs[1]
    without = torch.stack([difference[(first != i) & (second != i)].mean() for i in range(n)])
    error = ((n - 1) / n * (without - without.mean()).square().sum()).sqrt()
    return *pairs.mean(1).tolist(), float(error), n - 1.0


def cells(jobs: Path, solver: str) -> tuple[list[Cell], list[str]]:
    """Of all jobs that were run, and those that were not."""
    found, missing = [], []
    for model in MODELS:
        for corpus in CORPORA:
            ours, theirs = (jobs / f"{model} {corpus} {one}".replace(" ", "_") for one in (solver, "adam"))
            if not all(
                (job / "results.json").is_file() and (job / "overlaps.json").is_file() for job in (ours, theirs)
            ):
                missing.append(f"{model} × {corpus}")
                continue
            values = accuracies(open_job(ours), open_job(theirs)) | {"stability 5 %": jackknife(ours, theirs)}
            found += [Cell(model, corpus, what, *numbers) for what, numbers in values.items()]
    return found, missing


def holm(found: list[Cell]) -> set[int]:
    """Cells in which "worse by the margin" is refused at 5 %, all cells together."""
    refused: set[int] = set()
    for rank, i in enumerate(sorted(range(len(found)), key=lambda i: found[i].p)):
        if found[i].p > LEVEL / (len(found) - rank):
            break
        refused.add(i)
    return refused


def table(jobs: Path, solver: str) -> None:
    found, missing = cells(jobs, solver)
    refused = holm(found)
    print(f"\n{solver} − adam\n\n| model × corpus | {' | '.join(MARGINS)} |\n|---|{'---|' * len(MARGINS)}")
    lines: dict[str, list[str]] = {}
    for i, cell in enumerate(found):
        low, high = cell.ends
        said = "" if i in refused else " worse" if high < -MARGINS[cell.what] else " undecided"
        numbers = f"{100 * cell.theirs:.1f} → {100 * cell.ours:.1f}: {100 * cell.difference:+.1f}"
        text = f"{numbers} [{100 * low:+.1f}, {100 * high:+.1f}]{said}"
        lines.setdefault(f"{cell.model} × {cell.corpus}", []).append(text)
    for name, texts in lines.items():
        print(f"| {name} | {' | '.join(texts)} |")
    print(f"\n{len(refused)} of {len(found)} cells are not worse by the margin (Holm, 5 % over all cells).")
    print(f"Not run: {', '.join(missing) or 'none'}.")
    extras(jobs, solver)


def extras(jobs: Path, solver: str) -> None:
    """Minimal sets, verdicts and seconds of both."""
    for folder in sorted(jobs.glob(f"*_{solver}")):
        for one in (folder, folder.with_name(folder.name.replace(f"_{solver}", "_adam"))):
            if not is_done(one):
                continue
            job = open_job(one)
            sizes = [row["value"] for row in job.rows if (row["study"], row["metric"]) == ("minimal_set", "neurons")]
            seconds = (one / "seconds.txt").read_text().strip()
            print(f"{one.name}: minimal sets {sizes}, {seconds} s; {job.verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "models", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--table", action="store_true", help="run nothing, only the table")
    parser.add_argument("--only", nargs="*", default=list(MODELS), help="models")
    parser.add_argument("--corpora", nargs="*", default=list(CORPORA))
    parser.add_argument("--solvers", nargs="*", default=SOLVERS)
    options = parser.parse_args()
    data, models, output = (path.resolve() for path in (options.data, options.models, options.output))
    (output / "conf" / "callbacks").mkdir(parents=True, exist_ok=True)
    (output / "conf" / "callbacks" / "solvers.yaml").write_text(STUDIES)
    for model in [] if options.table else options.only:
        for corpus in options.corpora:
            for solver in options.solvers:
                folder = output / "jobs" / f"{model} {corpus} {solver}".replace(" ", "_")
                said = run(folder, overrides(data, models, output, model, corpus, solver))
                print(f"{time.strftime('%H:%M:%S')} {folder.name}: {said}", flush=True)
    if options.table:
        for solver in ("exact", "proximal"):
            table(output / "jobs", solver)


if __name__ == "__main__":
    main()
