"""What README, configuration and docstrings say of the papers and of speed is what is known."""

from __future__ import annotations

import re
from pathlib import Path

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
