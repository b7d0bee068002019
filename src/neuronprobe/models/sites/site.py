"""Sites: where in a layer one reads and edits, and which module's input or output that is.

The residual stream enters a block as the block's input and leaves the network behind its last norm. MLP neurons are the
input of the block's second feed-forward matrix, attention output per head the input of its output projection.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from neuronprobe.errors import InputError, choice

RESIDUAL, MLP, ATTENTION = "residual", "mlp", "attention"
BY_NAME = (RESIDUAL, MLP, ATTENTION)
_BERT = ("encoder.layer.#.output.dense", "encoder.layer.#.attention.output.dense")
_LLAMA = ("layers.#.mlp.down_proj", "layers.#.self_attn.o_proj")
_NEOX = "#.mlp.dense_4h_to_h"
PRESETS: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "electra", "deberta", "deberta-v2"), _BERT),
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2"), _LLAMA),
    "mpnet": (_BERT[0], "encoder.layer.#.attention.attn.o"),
    "albert": (
        "encoder.albert_layer_groups.0.albert_layers.0.ffn_output",
        "encoder.albert_layer_groups.0.albert_layers.0.attention.dense",
    ),
    "distilbert": ("transformer.layer.#.ffn.lin2", "transformer.layer.#.attention.out_lin"),
    "xlnet": ("layer.#.ff.layer_2", None),
    "modernbert": ("layers.#.mlp.Wo", "layers.#.attn.Wo"),
    "gpt2": ("h.#.mlp.c_proj", "h.#.attn.c_proj"),
    "gpt_neox": (f"layers.{_NEOX}", "layers.#.attention.dense"),
    "bloom": (f"h.{_NEOX}", "h.#.self_attention.dense"),
    "opt": ("decoder.layers.#.fc2", "decoder.layers.#.self_attn.out_proj"),
    "t5": ("block.#.layer.1.DenseReluDense.wo", "block.#.layer.0.SelfAttention.o"),
    "bart": ("layers.#.fc2", "layers.#.self_attn.out_proj"),
}
"""By `model_type`: the module whose input is the site mlp, and that of the site attention; # is the block."""


@dataclass(frozen=True)
class Site:
    """Modules by dotted path, at their input or output; without a pattern it is found by preset or by structure.

    `pattern` matches whole paths; its first group, if it has one, is the number of the block.
    """

    name: str
    pattern: str | None = None
    tap: str = "output"


def parse_sites(given: Any) -> tuple[Site, ...]:
    """What `model.sites` means: names, dotted paths or patterns, or mappings of name, pattern and tap.

    Raises InputError where an entry is none of these or two sites have the same name.
    """
    found = tuple(_site(entry) for entry in (given if isinstance(given, list | tuple) else [given]))
    names = [site.name for site in found]
    if not found or len(set(names)) < len(names):
        raise InputError(f"model.sites must be at least one site, each with its own name, got {names}.")
    return found


def _site(entry: Any) -> Site:
    if isinstance(entry, str) and entry in BY_NAME:
        return Site(entry)
    if isinstance(entry, str) and ("." in entry or "\\" in entry):
        words = re.findall(r"[A-Za-z_]\w*", re.sub(r"\\\w", "", entry)) or ["site"]
        return Site(f"{words[-1]}_output" if words[-1] in BY_NAME else words[-1], _checked(entry))
    if isinstance(entry, dict) and {"name", "pattern"} <= set(entry) <= {"name", "pattern", "tap"}:
        if not re.fullmatch(r"\w+", str(entry["name"])) or entry["name"] in BY_NAME:
            raise InputError(f"the name of a site must be one new word, got {entry['name']!r}.")
        tap = choice(f"tap of site {entry['name']}", entry.get("tap", "output"), ("input", "output"))
        return Site(str(entry["name"]), _checked(str(entry["pattern"])), tap)
    raise InputError(
        f"model.sites must be {', '.join(BY_NAME)}, a dotted path of a module or {{name, pattern, tap}}, got {entry!r}."
    )


def _checked(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise InputError(f"a pattern of model.sites must be a regular expression, got {pattern!r}: {error}.") from error
    return pattern


def preset(family: str, name: str, is_decoder: bool) -> str | None:
    """The pattern of a site by name for a family that is known; None for others, and for decoders of two parts."""
    if family not in PRESETS or is_decoder:
        return None
    path = PRESETS[family][0 if name == MLP else 1]
    return None if path is None else re.escape(path).replace(r"\#", r"(\d+)")


def matches(pattern: str, paths: Iterable[str]) -> list[tuple[str, int | None]]:
    """The paths that a pattern matches in full, with the block that its first group says.

    Raises InputError with the nearest paths where there is none.
    """
    paths = [path for path in paths if path]
    found = [(path, re.fullmatch(pattern, path)) for path in paths]
    hits = [(path, _block(match)) for path, match in found if match]
    if not hits:
        near = near_misses(pattern, paths)
        raise InputError(f"model.sites must name modules of the model, got {pattern!r}, which none has; near: {near}.")
    return hits


def near_misses(pattern: str, paths: Sequence[str]) -> str:
    """The paths that look most like a pattern, one for all blocks."""
    generic = list(dict.fromkeys(re.sub(r"\.\d+(?=\.|$)", ".N", path) for path in paths))
    wanted = re.sub(r"\\\.", ".", re.sub(r"\(?\\d[+*]?\)?|\d+", "N", pattern))
    return ", ".join(difflib.get_close_matches(wanted, generic, n=4, cutoff=0.0))


def _block(match: re.Match[str]) -> int | None:
    return int(match[1]) if match.re.groups and (match[1] or "").isdigit() else None
