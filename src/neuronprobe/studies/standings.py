"""What a comparison of rankings shows: the verdict in sentences, tables of all rankings, a picture for each judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, find, first, hundred, metric_name, notes, percent, plain
from neuronprobe.types import Result, Row

HIGHLIGHTED = 4
"""Rankings that a picture tells apart; the others are grey."""
JUDGED_BY = {
    "linear": "retrained", "ridge": "ridge", "gaussian": "Gaussian", "kept_zero": "kept, rest zero",
    "kept_mean": "kept, rest at its mean",
}  # fmt: skip
"""The judges in words."""


def standings(rows: Sequence[Row], metric: str, names: Sequence[str]) -> Result:
    """The rows of a comparison with what the page shows of them."""
    shown = Standings(plain(rows), metric, names)
    tables = (*shown.tables(), shown.verdicts(), *shown.rivals(), shown.more())
    return Result(tuple(rows), {}, tables, tuple(shown.figures()), tuple(shown.remarks()))


class Standings:
    """Rows of a comparison, and how they are shown; the first judge gives the verdict."""

    def __init__(self, rows: Sequence[PlainRow], metric: str, names: Sequence[str]) -> None:
        """`names` are the rankings, the primary one first."""
        self._rows, self._metric, self._names = rows, metric, names
        self._best = find(rows, metric="best")
        self._ranges = list(dict.fromkeys(row["range"] for row in self._best))
        self._judges = list(dict.fromkeys(_judge(row) for row in rows if row.get("judge")))

    def remarks(self) -> Iterator[str]:
        """The verdict for small and for large sets; which ranking is most stable."""
        for row in self._best:
            if _judge(row) == self._judges[0]:
                yield f"rankings of {_sets(row)}, {JUDGED_BY[_judge(row)]}: {self._verdict(row)}."
        others = [row for row in self._best if _judge(row) != self._judges[0]]
        named = (f"{row['ranking']} ({row['range']} sets, {JUDGED_BY[_judge(row)]})" for row in others
                 if row["is_best"])  # fmt: skip
        if others:
            yield f"best by other judges: {', '.join(named) or 'none is'}."
        for what in self._ranges:
            found = find(self._rows, metric="overlap", over="resamples", range=what)
            if found:
                yield f"most stable in {what} sets: {_stable(min(found, key=lambda row: row['place']), len(found))}."

    def _verdict(self, row: PlainRow) -> str:
        name, n, reached = row["ranking"], len(self._names), f"{percent(row)} on test"
        if not row["beats_random"]:
            odds = f"no more than the best of {n} random orders may (p = {row['p_random']:.2g})"
            return f"none is best: {name}, the best on dev, reaches {reached}, {odds}"
        if not row["is_best"]:
            ahead = n - 1 - len(row["equals"])
            others = f"; it is ahead of the other {ahead}" if ahead else ""
            return f"{name} is best on dev, {reached}, but not distinguishable from {_listed(row['equals'])}{others}"
        nearest = self._differences(row)[0]
        gain = f"{_points(nearest)} points ahead of {nearest['against']}, the nearest of {n - 1}"
        return f"{name} is best, {reached}: {gain}"

    def _differences(self, row: PlainRow) -> list[PlainRow]:
        """Of the best from each rival, the nearest first."""
        about = {key: row.get(key) for key in ("judge", "fill", "range", "ranking")}
        return sorted(find(self._rows, metric=f"{self._metric}_difference", **about), key=lambda row: row["value"])

    def tables(self) -> Iterator[Table]:
        """For each range all rankings by all judges, the best by the first judge on dev first."""
        for what in self._ranges:
            judges = [judge for judge in self._judges if self._area(self._names[0], judge, what)]
            body = []
            for name in sorted(self._names, key=lambda name: -self._on_dev(name, what, judges[0])):
                cells = [percent(self._area(name, judge, what)) for judge in judges]
                bottoms = [percent(self._area(name, judge, what, end="bottom")) for judge in judges[:1]]
                stable = first(self._rows, metric="overlap", over="resamples", range=what, ranking=name)
                body.append((name, *cells, *bottoms, percent(stable)))
            header = ("ranking", *(self._head(judge, what) for judge in judges), f"bottom, {JUDGED_BY[judges[0]]}",
                      "overlap of two resamples")  # fmt: skip
            heading = f"Rankings of {what} sets: {metric_name(self._metric)} on test, %"
            note = "Means over log(neurons), by trapezoids, over the sizes that a judge judges; the best on dev first."
            yield Table(heading, header, tuple(body), (note, *self._chance(what)), on_screen=False)

    def _head(self, judge: str, what: str) -> str:
        row = self._area(self._names[0], judge, what)
        return JUDGED_BY[judge] if row is None else f"{JUDGED_BY[judge]} ({_shares(row)})"

    def _chance(self, what: str) -> Iterator[str]:
        for row in find(self._rows, metric="overlap", range=what)[:1]:
            yield f"Two tops overlap by chance by {100 * row['chance']:.1f} %."

    def verdicts(self) -> Table:
        """Of each range and judge the best on dev, and what test says."""
        body = []
        for row in self._best:
            test = "best" if row["is_best"] else "none" if not row["beats_random"] else "not distinguishable"
            body.append((_sets(row), JUDGED_BY[_judge(row)], row["ranking"], percent(row), f"{row['p_random']:.2g}",
                         test, ", ".join(row["equals"]) or "-"))  # fmt: skip
        header = ("sets", "judge", "best on dev", f"{metric_name(self._metric)} on test, %", "p against random orders",
                  "verdict", "not distinguishable from")  # fmt: skip
        is_tested = any(row["p_again"] is not None for row in self._rows if "p_again" in row)
        again = "also when both are made again from resamples of the training sentences, " if is_tested else ""
        note = (
            "Chosen on dev. A best one must be ahead of every rival on test (signs of sentences drawn anew, Holm's "
            f"correction), {again}and of the best of as many random orders; each with odds of at most 5 %."
        )
        return Table("Which ranking is best", header, tuple(body), (note,), on_screen=False)

    def rivals(self) -> Iterator[Table]:
        """How far the best on dev is ahead of each rival on test, by the first judge."""
        for row in self._best:
            if _judge(row) == self._judges[0]:
                body = [
                    (own["against"], _points(own), f"{own['p_corrected']:.2g}", _odds(own["p_again"]),
                     "yes" if own["same"] else "") for own in self._differences(row)
                ]  # fmt: skip
                header = ("against", "points on test", "p over sentences, corrected", "p of rankings made again",
                          "right about the same units")  # fmt: skip
                heading = f"{row['ranking']} against each other ranking: {_sets(row)}, {JUDGED_BY[self._judges[0]]}"
                yield Table(heading, header, tuple(body), on_screen=False)

    def more(self) -> Table:
        """Minimal sets, selectivity, information and seeds, of each ranking."""
        told = find(self._rows, metric="normalised_information", set="top")
        judges = list(dict.fromkeys(_judge(row) for row in told))
        largest = {judge: max(row["k"] for row in told if _judge(row) == judge) for judge in judges}
        body = []
        for name in self._names:
            bits = [percent(first(told, ranking=name, judge=judge, k=largest[judge])) for judge in judges]
            memory = percent(first(self._rows, metric="selectivity", split="test", ranking=name))
            seeds = percent(first(self._rows, metric="overlap", over="seeds", range="small", ranking=name))
            body.append((name, _size(first(self._rows, metric="minimal_set", ranking=name)), memory, *bits, seeds))
        told_by = (f"information, {JUDGED_BY[judge]}, {largest[judge]:,} neurons" for judge in judges)
        header = ("ranking", "minimal set", "selectivity", *told_by, "overlap of two seeds, small sets")
        heading = "Rankings: minimal sets, selectivity on test, information in % of the label's entropy"
        return Table(heading, header, tuple(body), notes(told), on_screen=False)

    def figures(self) -> Iterator[Figure]:
        """The curves of all tops by each judge."""
        for judge in self._judges:
            own = [row for row in find(self._rows, split="test") if row.get("judge") and _judge(row) == judge]
            tops = find(own, metric=self._metric, set="top")
            names = [name for name in self._names if find(tops, ranking=name)]
            told = self._highlighted(judge)
            curves = [_curve(find(tops, ranking=name), name, name not in told) for name in names]
            drawn = find(own, metric=f"mean_{self._metric}", set="random")
            curves += [_curve(drawn, "random orders (mean, range)", False, ("least", "most"))] if drawn else []
            note = "Grey: the other rankings. " if len(told) < len(names) else ""
            if any(flag for curve in curves for flag in curve.flagged):
                note += "Hollow: sets that reach into neurons which the ranking did not order."
            curves.sort(key=lambda curve: not curve.muted)  # grey ones lie below
            title, y = f"Tops of all rankings, {JUDGED_BY[judge]}", f"{metric_name(self._metric)} on test, %"
            x = "neurons, % (log scale)"
            yield Figure(f"rankings_{judge}", title, x, y, tuple(curves), log=True, note=note.strip())

    def _highlighted(self, judge: str) -> list[str]:
        """The primary ranking, and the best on dev in each range in turn."""
        found = [self._names[0]]
        in_order = [sorted(self._names, key=lambda name: -self._on_dev(name, what, judge)) for what in self._ranges]
        for name in (name for place in zip(*in_order, strict=True) for name in place):
            if len(found) < HIGHLIGHTED and name not in found:
                found.append(name)
        return found

    def _on_dev(self, name: str, what: str, judge: str) -> float:
        row = self._area(name, judge, what, split="dev")
        return -1.0 if row is None else float(row["value"])

    def _area(self, name: str, judge: str, what: str, end: str = "top", split: str = "test") -> PlainRow | None:
        rows = find(self._rows, metric=f"{self._metric}_area", ranking=name, range=what, set=end, split=split)
        return next((row for row in rows if _judge(row) == judge), None)


def _curve(found: Sequence[PlainRow], name: str, muted: bool, ends: tuple[str, str] | None = None) -> Series:
    found = sorted(found, key=lambda row: row["k"])
    low, high = (tuple(hundred(row[end]) for row in found) for end in ends) if ends else ((), ())
    shares, values = tuple(100 * row["share"] for row in found), tuple(hundred(row["value"]) for row in found)
    flagged = () if muted else tuple(bool(row.get("not_earned")) for row in found)
    return Series(name, shares, values, low, high, flagged, muted=muted)


def _judge(row: PlainRow) -> str:
    return f"{row['judge']}_{row['fill']}" if row.get("fill") else str(row["judge"])


def _sets(row: PlainRow) -> str:
    return f"{row['range']} sets ({_shares(row)} of the neurons)"


def _shares(row: PlainRow) -> str:
    low, high = (f"{100 * row[end]:.2g}" for end in ("from_share", "to_share"))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _stable(row: PlainRow, n: int) -> str:
    shares = f"two resamples share {percent(row)} % of the top, by chance {100 * row['chance']:.0f}"
    if n == 1:
        return f"{row['ranking']} ({shares}), the only one that was made again"
    if not row["equals"]:
        return f"{row['ranking']} ({shares}), more than each of the {n - 1} others that were made again"
    return f"{row['ranking']} ({shares}), not distinguishable from {_listed(row['equals'])}"


def _points(row: PlainRow) -> str:
    """A difference in points with its interval."""
    return f"{100 * row['value']:+.2f} [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"


def _odds(p: float | None) -> str:
    return "-" if p is None else f"{p:.2g}"


def _size(row: PlainRow | None) -> str:
    if row is None:
        return "-"
    if row["value"] is None:
        return f"> {row['largest_failed']:,}"
    return f"{row['value']:,.0f} ({100 * row['share']:.3g} %)"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
