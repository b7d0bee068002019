"""Sentences with a label each, one a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neuronprobe.corpora import LinesCorpus
from neuronprobe.errors import InputError


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("HUM\n", {}, "line 1, must be a label, a separator and words"),
        ("\n\n", {}, "must hold at least one sentence"),
        ("HUM who\n", {"dev": "x"}, "got both"),
        ("HUM who\n", {"encoding": "latin-99"}, "corpus.encoding must be a known encoding"),
        ("HUM caf\u00e9\n", {}, "must be UTF-8 text"),
        ("HUM who\n", {"held_out": 1}, "something must be left for train"),
    ],
)
def test_lines_that_cannot_be_used_are_named(text: str, settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=message):
        list(
            LinesCorpus(str(path), test=str(path), **{"held_out": 2, "separator": "blank", **settings}).sentences(
                "train"
            )
        )
