"""What each ranking of conf/ranking costs in the default job: `python benchmarks/ranking_seconds.py [NAME …]`.

MiniLM × UPOS, the starter treebank, seconds of CPU. The default job ranks with it 8 times: once for the λ search and
all that follows, once for another seed, once for each of 6 resamples; every one of these is another weighting or seed.
Each ranking is measured on a resample of its own; a probe, where it reads one, is drawn.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import starter
import torch
from hydra import compose, initialize_config_dir

import neuronprobe as npb
from neuronprobe.build import construct
from neuronprobe.probes import Probe
from neuronprobe.quiet import quiet
from neuronprobe.rankings import Evidence
from neuronprobe.studies.resamples import resamples

ROOT = Path(__file__).parents[1]
TIMES = 8


def default_job(store: str) -> float:
    """Seconds of CPU of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "train.py"), f"hydra.run.dir={folder}/job", f"activations.folder={store}"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=sorted(path.stem for path in ROOT.glob("conf/ranking/*.yaml")))
    parser.add_argument("--store", default="store")
    parser.add_argument("--job", type=float, metavar="SECONDS", help="of the default job, measured before")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(1)
    data = starter.module(options.store)
    train, dev = data.split("train"), data.split("dev")
    fit = npb.Fit(1e-3, 1e-4, batch_size=32)
    generator = torch.Generator().manual_seed(0)
    probe = Probe(torch.randn(train.n_labels, len(train.neurons), generator=generator), torch.zeros(train.n_labels))
    job = options.job or default_job(options.store)
    print(f"the default job: {job:.0f} s of CPU\n\n| ranking | seconds | default job with it, times the default job |")
    print("|---|---|---|", flush=True)
    weights = resamples(train.units, len(options.names), seed=0)
    for name, own in zip(options.names, weights, strict=True):
        with initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")):
            (rank,) = construct(compose("config", [f"ranking={name}"]), "ranking").values()
        start = time.process_time()
        rank(Evidence(train, dev, fit, 0, probe, own))
        seconds = time.process_time() - start
        print(f"| {name} | {seconds:.2f} | {1 + TIMES * seconds / job:.2f} |", flush=True)


if __name__ == "__main__":
    main()
