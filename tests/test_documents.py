"""What README, configuration and docstrings say of the papers and of speed is what is known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neuronprobe import callbacks, studies

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path for folder in ("conf", "src", "benchmarks", ".")
    for kind in ("*.yaml", "*.py", "*.md") for path in (ROOT / folder).glob(f"{'' if folder == '.' else '**/'}{kind}")
)  # fmt: skip


def said(*names: str) -> str:
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in names)


def test_the_layer_study_cites_the_section_of_the_layer_selector() -> None:
    section = r"section\s+6\.1"
    cited = [studies.layers.__doc__, callbacks.LayerProbes.__doc__, said("src/neuronprobe/studies/layers.py")]
    cited += [said("conf/callbacks/full.yaml"), said("README.md")]
    for text in cited:
        assert re.search(section, text or ""), text
    wrong = [path for path in DOCUMENTS if re.search(r"RED 2020 section 5", path.read_text(encoding="utf-8"))]
    assert not wrong


def test_no_file_promises_that_bf16_is_fast_on_a_cpu() -> None:
    fast = re.compile(
        r"(bf16|bfloat16)\S* (is|are|runs|was|were)\b[^.;]*(?<!half as )\b(fast|faster|twice)", re.IGNORECASE
    )
    found = [(path.name, line) for path in DOCUMENTS for line in path.read_text(encoding="utf-8").splitlines()
             if fast.search(line)]  # fmt: skip
    assert not found


def test_what_was_measured_of_bf16_on_a_cpu_is_said_where_it_is_set() -> None:
    for name, number in (("conf/trainer/cpu.yaml", "half as fast"), ("conf/model/hf.yaml", r"\.71"),
                         ("benchmarks/README.md", "87 against 173 GFLOP/s")):  # fmt: skip
        assert re.search(number, said(name)), name


@pytest.mark.parametrize(
    ("name", "departure"),
    [
        ("probe/adam", r"shorter than the papers' grids"),
        ("probe/adam", r"biases start at 0 .*JMLR 2023 alg\. 1: at random"),
        ("experiment/jmlr2023_table2", r"algorithm 2 as printed retrains"),
        ("experiment/jmlr2023_table3", r"algorithm 2 as printed retrains"),
        ("experiment/aaai2019_table2", r"batch_size: 512 # EMNLP 2020's"),
        ("corpus/conll2000", r"EMNLP 2020: 8,881, 1,843 and 2,011 sentences"),
        ("callbacks/default", r"draws: 5 # the papers: means over 3 runs"),
        ("callbacks/full", r"draws: 5 .*the papers: means over 3 runs"),
        ("callbacks/full", r"draws: 3 .*the papers: means over 3 runs"),
    ],
)
def test_a_departure_from_the_papers_is_said_where_it_is_set(name: str, departure: str) -> None:
    assert re.search(departure, said(f"conf/{name}.yaml"))


def test_the_readme_lists_the_departures_from_the_papers() -> None:
    found = re.search(r"## Departures from the papers\n(.*?)(\n## |\nErrors)", said("README.md"), re.DOTALL)
    assert found
    for what in ("grid", "bias", "algorithm 2", "512", "CoNLL-2000", "5 draws", "3 control"):
        assert what in found[1], what
