"""What a study shows of itself, as data: tables, and figures made of series. Renderers know nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neuronprobe.errors import InputError, choice


@dataclass(frozen=True)
class Table:
    """What a study shows of itself: a heading, column names, lines of text, and notes below.

    The page has all tables; the screen those with `on_screen`.
    """

    heading: str
    header: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    on_screen: bool = True

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Table:
        """From what a results.json holds."""
        body = tuple(tuple(line) for line in plain["body"])
        notes, on_screen = tuple(plain.get("notes") or ()), bool(plain.get("on_screen", True))
        return cls(str(plain["heading"]), tuple(plain["header"]), body, notes, on_screen)


MARKS = ("line", "level", "bar", "cell")
"""How a series is drawn; a figure of cells is a heat map, with a series for each of its rows."""


@dataclass(frozen=True)
class Series:
    """y[i] at x[i], None where nothing was measured; a level has one y and no x.

    `low` and `high` are the ends of an interval, or of a band of draws. Points that are `flagged` are drawn hollow, and
    such a cell is framed: the figure's note says why. A `muted` line is grey, without a place in the legend.
    """

    name: str
    x: tuple[int | float | str, ...]
    y: tuple[int | float | None, ...]
    low: tuple[int | float | None, ...] = ()
    high: tuple[int | float | None, ...] = ()
    flagged: tuple[bool, ...] = ()
    mark: str = "line"
    muted: bool = False

    def __post_init__(self) -> None:
        """Raises InputError where lengths differ or the mark is unknown."""
        choice("mark of a series", self.mark, MARKS)
        wanted = 1 if self.mark == "level" else len(self.x)
        beside = {len(own) for own in (self.low, self.high, self.flagged)}
        if len(self.y) != wanted or not beside <= {0, wanted}:
            raise InputError(
                f"series {self.name!r} must have {wanted} of y, low, high and flagged, got {len(self.y)} y."
            )

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Series:
        """From what a results.json holds."""
        listed = {key: tuple(plain.get(key) or ()) for key in ("x", "y", "low", "high", "flagged")}
        return cls(str(plain["name"]), **listed, mark=plain.get("mark", "line"),
                   muted=bool(plain.get("muted")))  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A picture as data. `name` is that of its files; `x`, `y` and `value` (of cells) are titles with their units.

    `limits` are the ends of y; `log` is about x; the note stands below.
    """

    name: str
    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    value: str = ""
    log: bool = False
    limits: tuple[int | float, int | float] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Raises InputError where the name is no name of a file."""
        if not self.name or "/" in self.name:
            raise InputError(
                f"the name of a figure must be that of a file, without folder and ending, got {self.name!r}."
            )

    @property
    def is_map(self) -> bool:
        """Whether it is a heat map."""
        return any(series.mark == "cell" for series in self.series)

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Figure:
        """From what a results.json holds."""
        series = tuple(Series.read(own) for own in plain["series"])
        limits = tuple(plain["limits"]) if plain.get("limits") else None
        return cls(**{**plain, "series": series, "limits": limits})
