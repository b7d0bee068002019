"""The table and the curve of sets of neurons: top, random and bottom side by side, by how many are kept."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, draws_text, first, hundred, metric_name, notes, percent, plain
from neuronprobe.studies.sets import RANDOM_SETS
from neuronprobe.types import Row

NAMES = {"top": "top", "random": "random", "layer_matched": "random, same layers", "bottom": "bottom"}
FEWEST_DRAWS = 39
"""With fewer the least possible p says nothing."""
Sets = Sequence[tuple[str, str]]
"""Names of a ranking and of one of its sets."""


def set_table(rows: Sequence[Row], metric: str, title: str) -> Table:
    """A line for each size, and one for the areas; top − random with its odds. `rows` are those of one split."""
    found = plain(rows)
    sets = _sets(found)
    body = []
    for k, share in _sizes(found).items():
        own = [row for row in found if row["k"] == k]
        cells = [_set(own, metric, one) for one in sets]
        gain = first(own, metric=f"{metric}_difference", against="random", ranking=sets[0][0])
        body.append((f"{100 * share:.3g} % ({k:,})", *map(_cell, cells), percent(gain) + _odds(gain)))
    area = "area" if metric == "accuracy" else f"{metric}_area"
    areas = [first(found, metric=area, ranking=ranking, set=which) for ranking, which in sets]
    if any(areas):
        body.append(("mean over the shares (area)", *map(percent, areas), "-"))
    header = ("neurons", *(_name(one, sets) for one in sets), "top − random")
    if all(line[-1] == "-" for line in body):
        header, body = header[:-1], [line[:-1] for line in body]
    heading = f"{title}: {metric_name(metric)} on test, %"
    return Table(heading, header, tuple(body), notes(found), on_screen=False)


def set_figure(
    rows: Sequence[Row], metric: str, title: str, name: str, levels: Mapping[str, float]
) -> Figure:  # fmt: skip
    """Curves over the share of neurons; the band of random sets is the range of its draws, others are intervals."""
    found = plain(rows)
    sets = _sets(found, NAMES)  # a set that is not there keeps its colour free
    curves = tuple(_curve(found, metric, one, _name(one, sets, in_full=True)) for one in sets)
    lines = tuple(Series(level, (), (100 * value,), mark="level") for level, value in levels.items())
    hollow = any(flag for curve in curves for flag in curve.flagged)
    least = min((y for curve in curves for y in curve.y if y is not None), default=0)
    note = "Hollow: sets that reach into neurons which the ranking did not order." if hollow else ""
    return Figure(
        name, title, "neurons kept, % (log scale)", f"{metric_name(metric)} on test, %", curves + lines, log=True,
        limits=(min(0, max(-100, least)), 100), note=note,
    )  # fmt: skip


def _curve(found: Sequence[PlainRow], metric: str, one: tuple[str, str], name: str) -> Series:
    own = [(share, row) for k, share in _sizes(found).items() if (row := _set(found, metric, one, k))]
    ends = ("least", "most") if one[1] in RANDOM_SETS else ("low", "high")
    low, high = (tuple(hundred(row.get(end)) for _, row in own) for end in ends)
    shares = tuple(100 * share for share, _ in own)
    flagged = tuple(bool(row.get("not_earned")) for _, row in own)
    return Series(name, shares, tuple(hundred(row["value"]) for _, row in own), low, high, flagged)


def _sets(found: Sequence[PlainRow], names: Container[str] = ()) -> Sets:
    """All sets of the primary ranking that are there or named, and the tops of the others."""
    rankings = list(dict.fromkeys(row["ranking"] for row in found))
    own = {row["set"] for row in found if row["ranking"] == rankings[0]}
    return [
        *((rankings[0], which) for which in NAMES if which in own or which in names),
        *((name, "top") for name in rankings[1:]),
    ]


def _sizes(found: Sequence[PlainRow]) -> dict[int, float]:
    """Counts and shares, smallest first."""
    return dict(sorted({(row["k"], row["share"]) for row in found if row["k"] is not None}))


def _set(found: Sequence[PlainRow], metric: str, one: tuple[str, str], k: int | None = None) -> PlainRow | None:
    ranking, which = one
    what = f"mean_{metric}" if which in RANDOM_SETS else metric
    return first(found, metric=what, ranking=ranking, set=which, **({} if k is None else {"k": k}))


def _name(one: tuple[str, str], sets: Sets, in_full: bool = False) -> str:
    """What a set is called beside the others; in full with its ranking and what its band is."""
    ranking, which = one
    if which == "top" and (in_full or ranking != sets[0][0]):
        return f"top by {ranking}"
    return NAMES[which] + (" (mean, range of draws)" if in_full and which in RANDOM_SETS else "")


def _cell(row: PlainRow | None) -> str:
    return percent(row) + (draws_text(row) if row else "")


def _odds(gain: PlainRow | None) -> str:
    tells = gain is not None and gain.get("p") is not None and gain["n_draws"] >= FEWEST_DRAWS
    return f", p = {gain['p']:.3g}" if gain is not None and tells else ""
