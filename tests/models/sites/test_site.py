"""What `model.sites` means."""

from __future__ import annotations

import pytest

from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from neuronprobe.models.sites.site import matches, parse_sites


def test_sites_are_names_paths_patterns_or_mappings() -> None:
    given = ["residual", r"h\.(\d+)\.mlp\.act", {"name": "gate", "pattern": "a.b", "tap": "input"}]
    assert [(s.name, s.pattern, s.tap) for s in parse_sites(given)] == [
        ("residual", None, "output"), ("act", r"h\.(\d+)\.mlp\.act", "output"), ("gate", "a.b", "input"),
    ]  # fmt: skip
    for wrong in ([], "attn", {"name": "x"}, {"name": "mlp", "pattern": "a"}, 3, {"name": "a b", "pattern": "c"},
                  {"name": "x", "pattern": "a", "tap": "middle"}, ["mlp", "mlp"], "a.(b"):  # fmt: skip
        with pytest.raises(InputError):
            parse_sites(wrong)


def test_a_pattern_matches_whole_paths() -> None:
    paths = ["encoder.layer.0.output.dense", "encoder.layer.0.attention.output.dense"]
    assert matches(r"encoder\.layer\.(\d+)\.output\.dense", paths) == [(paths[0], 0)]


def test_a_pattern_that_hits_nothing_lists_the_near_misses(gpt2: str) -> None:
    with pytest.raises(InputError, match=r"got 'h\.\(\\\\d\+\)\.mpl\.c_proj', which none has; near: h\.N\.mlp\.c_proj"):
        _ = FrozenTransformer(gpt2, sites=r"h.(\d+).mpl.c_proj").layer_sites
