"""What a comparison of rankings shows: the verdict in sentences, tables of all rankings, and a picture for each judge."""

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
    shown = _Standings(plain(rows), metric, names)
    tables = (*shown.tables(), *shown.verdicts(), *shown.rivals(), *shown.more())
    return Result(tuple(rows), {}, tables, tuple(shown.figures()), tuple(shown.remarks()))


class _Standings:
    def __init__(self, rows: Sequence[PlainRow], metric: str, names: Sequence[str]) -> None:
        self._rows, self._metric, self._names = rows, metric, names
        self._best = find(rows, metric="best")
        self._ranges = list(dict.fromkeys(row["range"] for row in self._best))
        self._judges = list(dict.fromkeys(_judge(row) for row in rows if row.get("judge")))

    def remarks(self) -> Iterator[str]:
        """The verdict by the first judge, for small and for large sets; and which ranking is most stable."""
        for row in self._best:
            if _judge(row) == self._judges[0]:
                yield f"rankings of {self._sets(row)}, {JUDGED_BY[_judge(row)]}: {self._verdict(row)}."
        others = [row for row in self._best if _judge(row) != self._judges[0]]
        if others:
            said = (f"{row['ranking'] if row['is_best'] else 'none'} ({row['range']} sets, {JUDGED_BY[_judge(row)]})"
                    for row in others)  # fmt: skip
            yield f"the best ranking by other judges: {', '.join(said)}."
        for what in self._ranges:
            found = sorted(find(self._rows, metric="overlap", over="resamples", range=what), key=lambda r: r["place"])
            if found:
                yield f"most stable in {what} sets: {self._stable(found[0], len(found))}."

    def _verdict(self, row: PlainRow) -> str:
        name, n = row["ranking"], len(self._names)
        if not row["beats_random"]:
            return (f"none is best: {name}, the best on dev, reaches {percent(row)} on test, no more than the best of "
                    f"{n} random orders may (p = {row['p_random']:.2g})")  # fmt: skip
        if not row["is_best"]:
            ahead = n - 1 - len(row["equals"])
            others = f"; it is ahead of the other {ahead}" if ahead else ""
            return f"{name} is best on dev; on test ({percent(row)}) not distinguishable from {_listed(row['equals'])}{others}"
        nearest = min(self._differences(row), key=lambda rival: rival["value"])
        gain = f"{100 * nearest['value']:+.1f} points [{100 * nearest['low']:+.1f}, {100 * nearest['high']:+.1f}]"
        return f"{name} is best: {percent(row)} on test, ahead of all {n - 1} others, {nearest['against']} the nearest ({gain})"

    def _stable(self, row: PlainRow, n: int) -> str:
        shares = f"two resamples share {percent(row)} % of the top, by chance {100 * row['chance']:.0f}"
        if not row["equals"]:
            return f"{row['ranking']} ({shares}), more than each of the {n - 1} others that were made again"
        return f"{row['ranking']} ({shares}), not distinguishable from {_listed(row['equals'])}"

    def _sets(self, row: PlainRow) -> str:
        low, high = (f"{100 * row[end]:.3g}" for end in ("from_share", "to_share"))
        return f"{row['range']} sets ({low} to {high} % of the neurons)" if low != high else f"{row['range']} sets ({low} %)"

    def _differences(self, row: PlainRow) -> list[PlainRow]:
        about = {key: row.get(key) for key in ("judge", "fill", "range", "ranking")}
        return find(self._rows, metric=f"{self._metric}_difference", **about)

    def tables(self) -> Iterator[Table]:
        """For each range all rankings by all judges, the best by the first judge on dev first."""
        for what in self._ranges:
            judges = [judge for judge in self._judges if self._area(self._names[0], judge, what)]
            body = []
            for name in sorted(self._names, key=lambda name: -self._on_dev(name, what)):
                cells = [percent(self._area(name, judge, what)) for judge in judges]
                bottom = percent(self._area(name, judges[0], what, end="bottom"))
                stable = first(self._rows, metric="overlap", over="resamples", range=what, ranking=name)
                body.append((name, *cells, bottom, percent(stable)))
            header = ("ranking", *(JUDGED_BY[judge] for judge in judges), f"bottom, {JUDGED_BY[judges[0]]}",
                      "overlap of two resamples")  # fmt: skip
            heading = f"Rankings of {self._sets(first(self._best, range=what) or {})}: {metric_name(self._metric)} on test, %"
            note = "Means over log(neurons), by trapezoids; the best on dev first. " + self._chance(what)
            yield Table(heading, header, tuple(body), (note.strip(),), on_screen=False)

    def _chance(self, what: str) -> str:
        row = first(self._rows, metric="overlap", range=what)
        return f"Overlap by chance {100 * row['chance']:.1f} %." if row else ""

    def verdicts(self) -> Iterator[Table]:
        """Of each range and judge the best on dev, and what test says."""
        body = []
        for row in self._best:
            test = "best" if row["is_best"] else "none" if not row["beats_random"] else "not distinguishable"
            body.append((row["range"], JUDGED_BY[_judge(row)], row["ranking"], percent(row), f"{row['p_random']:.2g}",
                         test, ", ".join(row["equals"]) or "-"))  # fmt: skip
        header = ("sets", "judge", "best on dev", f"{metric_name(self._metric)} on test, %", "p against random orders",
                  "verdict", "not distinguishable from")  # fmt: skip
        note = (
            "Chosen on dev. A best one must be ahead of every rival on test (signs of sentences drawn anew, Holm's "
            "correction), also when both are made again from resamples of the training sentences, and of the best of as "
            "many random orders; each with odds of at most 5 %."
        )
        yield Table("Which ranking is best", header, tuple(body), (note,), on_screen=False)

    def rivals(self) -> Iterator[Table]:
        """How far the best on dev is ahead of each rival on test, by the first judge."""
        for row in self._best:
            if _judge(row) == self._judges[0]:
                body = [
                    (rival["against"], f"{100 * rival['value']:+.2f} [{100 * rival['low']:+.2f}, {100 * rival['high']:+.2f}]",
                     f"{rival['p_corrected']:.2g}", f"{rival['p_again']:.2g}", "the same" if rival["same"] else "")
                    for rival in sorted(self._differences(row), key=lambda rival: rival["value"])
                ]  # fmt: skip
                header = ("against", "points on test", "p over sentences, corrected", "p of rankings made again", "")
                heading = f"{row['ranking']} against each other ranking, {self._sets(row)}, {JUDGED_BY[self._judges[0]]}"
                yield Table(heading, header, tuple(body), on_screen=False)

    def more(self) -> Iterator[Table]:
        """Minimal sets, selectivity, information and seeds, of each ranking."""
        told = find(self._rows, metric="normalised_information", set="top")
        judges = list(dict.fromkeys(_judge(row) for row in told))
        largest = {judge: max(row["k"] for row in told if _judge(row) == judge) for judge in judges}
        body = []
        for name in self._names:
            small = first(self._rows, metric="minimal_set", ranking=name)
            bits = [percent(first(told, ranking=name, judge=judge, k=largest[judge])) for judge in judges]
            memory = percent(first(self._rows, metric="selectivity", split="test", ranking=name))
            seeds = percent(first(self._rows, metric="overlap", over="seeds", ranking=name))
            body.append((name, _size(small), memory, *bits, seeds))
        header = ("ranking", "minimal set", "selectivity", *(f"information, {JUDGED_BY[judge]}, {largest[judge]:,} neurons"
                  for judge in judges), "overlap of two seeds")  # fmt: skip
        heading = "Rankings: minimal sets, selectivity on test, information in % of the label's entropy"
        yield Table(heading, header, tuple(body), notes(told), on_screen=False)

    def figures(self) -> Iterator[Figure]:
        """The curves of all tops by each judge."""
        for judge in self._judges:
            own = [row for row in find(self._rows, split="test") if row.get("judge") and _judge(row) == judge]
            tops = find(own, metric=self._metric, set="top")
            names = [name for name in self._names if find(tops, ranking=name)]
            shown = self._highlighted(judge)
            curves = [_curve(find(tops, ranking=name), name, name not in shown) for name in names]
            drawn = find(own, metric=f"mean_{self._metric}", set="random")
            curves += [_curve(drawn, "random orders (mean, range)", False, ("least", "most"))] if drawn else []
            hollow = any(flag for curve in curves for flag in curve.flagged)
            note = "Grey: the other rankings." if len(shown) < len(names) else ""
            note += " Hollow: sets that reach into neurons which the ranking did not order." if hollow else ""
            yield Figure(f"rankings_{judge}", f"Tops of all rankings, {JUDGED_BY[judge]}", "neurons, % (log scale)",
                         f"{metric_name(self._metric)} on test, %", tuple(sorted(curves, key=lambda one: not one.muted)),
                         log=True, note=note.strip())  # fmt: skip

    def _highlighted(self, judge: str) -> list[str]:
        """The primary ranking, and the best on dev in each range in turn."""
        found = [self._names[0]]
        in_order = [sorted(self._names, key=lambda name: -self._on_dev(name, what, judge)) for what in self._ranges]
        for name in (name for place in zip(*in_order, strict=True) for name in place):
            if len(found) < HIGHLIGHTED and name not in found:
                found.append(name)
        return found

    def _on_dev(self, name: str, what: str, judge: str | None = None) -> float:
        row = self._area(name, judge or self._judges[0], what, split="dev")
        return row["value"] if row else -1.0

    def _area(self, name: str, judge: str, what: str, end: str = "top", split: str = "test") -> PlainRow | None:
        rows = find(self._rows, metric=f"{self._metric}_area", ranking=name, range=what, set=end, split=split)
        return next((row for row in rows if _judge(row) == judge), None)


def _curve(
    found: Sequence[PlainRow], name: str, muted: bool, ends: tuple[str, str] | None = None
) -> Series:  # fmt: skip
    found = sorted(found, key=lambda row: row["k"])
    low, high = (tuple(hundred(row[end]) for row in found) for end in ends) if ends else ((), ())
    return Series(
        name, tuple(100 * row["share"] for row in found), tuple(hundred(row["value"]) for row in found), low, high,
        tuple(bool(row.get("not_earned")) for row in found) if not muted else (), muted=muted,
    )  # fmt: skip


def _judge(row: PlainRow) -> str:
    return f"{row['judge']}_{row['fill']}" if row.get("fill") else str(row["judge"])


def _size(row: PlainRow | None) -> str:
    if row is None:
        return "-"
    if row["value"] is None:
        return f"> {row['largest_failed']:,}"
    return f"{row['value']:,.0f} ({100 * row['share']:.3g} %)"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
