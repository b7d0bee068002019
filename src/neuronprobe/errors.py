"""Bad input: one line that says what, expected, got, do this."""

from __future__ import annotations

import math
from collections.abc import Iterable


class InputError(ValueError):
    """What the user gave can't be used.

    Its text is one line: `<argument or file> must be <expected>, got <value>; <remedy>`.
    """


def number(name: str, value: object, low: float = -math.inf, high: float = math.inf) -> float:
    """`value` as a finite float within [low, high]; InputError otherwise."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high:
        return float(value)
    raise InputError(f"{name} must be a number{_bounds(low, high)}, got {value!r}.")


def whole_number(name: str, value: object, low: int = 0, high: float = math.inf) -> int:
    """`value` as an int within [low, high]; InputError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} must be a whole number{_bounds(low, high)}, got {value!r}.")
    return value


def choice(name: str, value: object, choices: Iterable[str]) -> str:
    """`value` if it is one of `choices`; InputError that names them otherwise."""
    known = list(choices)
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(known)}, got {value!r}.")
    return str(value)


def _bounds(low: float, high: float) -> str:
    if math.isfinite(low) and math.isfinite(high):
        return f" from {low:g} to {high:g}"
    if math.isfinite(low):
        return f" of at least {low:g}"
    return f" of at most {high:g}" if math.isfinite(high) else ""


def one_line(error: BaseException) -> str:
    """The text of any error on one line, without the search paths that Hydra appends."""
    text = str(error).split("Config search path:")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith("In '") and lines[0].count(":") and len(lines) > 1:
        lines[0] = lines[0].split(":", 1)[1].strip() or lines.pop(0)
    joined = ""
    for line in lines:
        glue = "" if not joined else " " if joined[-1] in ":.,;?!" else ", " if "options" in joined else "; "
        joined += glue + line
    if "Could not find 'property/" in joined:
        joined += "; any column of the corpus is property=column property.name=NAME"
    return joined or type(error).__name__
