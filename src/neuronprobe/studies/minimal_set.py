"""The minimal neuron set (EMNLP 2020 section 3.3, table 2; JMLR 2023 algorithm 4) and redundancy (JMLR section 5.3).

The papers take the top 1 %, 2 % … of the ranking, retrain, and stop when the accuracy is within a tolerance of the
oracle's; random and bottom neurons of the same number, retrained, tell how redundant the network is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Int
from torch import Tensor

from neuronprobe.neurons import size, top
from neuronprobe.probes import Probe, score
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, find, first, metric_name, notes, percent, plain
from neuronprobe.studies.comparison import compare
from neuronprobe.studies.sets import neuron_sets
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Result, Row

FIRST_SHARE = 0.2
"""All sizes up to this share are trained in the first bank; the papers' minimal sets hold 4 to 15 % of BERT."""
MORE = 10
"""So many sizes hold the banks that follow: the next percents."""


@dataclass(frozen=True)
class Minimum:
    """The retrained probe of the smallest top set within a tolerance of those tried; None if none is."""

    tolerance: float
    probe: Probe | None

    @property
    def k(self) -> int | None:
        """How many neurons the set holds."""
        return None if self.probe is None else self.probe.weights.shape[1]


def minimal_set(
    trained: Trained, tolerances: Sequence[float], draws: int, search: str = "bank", rankings: str = "primary"
) -> Result:
    """The smallest top set, in steps of 1 % of the neurons, with oracle − this < tolerance on dev, for each.

    Tolerances are fractions of the target's first metric: accuracy, R². `search` bank tries every step up to the one
    that suffices; bisection tries few, takes the metric to rise with size, and says how many smaller steps were not
    tried. Dev decides; test is only reported.

    Hands on the minima of the primary ranking, one for each tolerance.
    """
    found = [_minima(trained, name, tolerances, draws, search) for name in trained.of(rankings)]
    return replace(sum((result for _, result in found), Result(())), handed=found[0][0])


def _minima(
    trained: Trained, ranking: str, tolerances: Sequence[float], draws: int, search: str
) -> tuple[tuple[Minimum, ...], Result]:
    tops = TopSets(trained, trained.rankings[ranking].order)
    SEARCHES[search](tops, tolerances)
    minima = tuple(Minimum(t, tops.smallest(t)) for t in tolerances)
    about = trained.about(ranking=ranking, mode="retrained", set="top", split="dev")
    rows = [Row("minimal_set", f"searched_{tops.metric}", v, k=k, share=k / len(trained.table), **about)
            for k, v in sorted(tops.values.items())]  # fmt: skip
    rows += [_size_row(minimum, tops, search, about) for minimum in minima]
    beside = _beside(minima, tops, trained, ranking, draws)
    rows += beside.rows
    tables = (_table(plain(rows), ranking, tops.metric),)
    figures = (_figure(plain(rows), ranking, tops.metric),)
    return minima, replace(beside, rows=tuple(rows), tables=tables, figures=figures)


def _table(rows: Sequence[PlainRow], ranking: str, metric: str) -> Table:
    """The sets and, of as many neurons, what random and bottom ones give."""
    body: list[tuple[str, ...]] = []
    for row in find(rows, metric="neurons"):
        if row["value"] is None:
            lost = f"none: the best set loses {100 * row['least_lost']:.1f} points on dev{_untried(row)}"
            body.append((f"{row['tolerance']:g}", lost, "-", "-", "-"))
            continue
        own = find(rows, tolerance=row["tolerance"], split="test")
        cells = [
            first(own, study="minimal_set", set="top", metric=metric),
            first(own, set="random", metric=f"mean_{metric}"),
            first(own, set="bottom", metric=metric),
        ]
        size = f"{row['value']:,.0f} ({100 * row['share']:.3g} %){_untried(row)}"
        body.append((f"{row['tolerance']:g}", size, *map(percent, cells)))
    every_step = all(row.get("every_step_tried") for row in find(rows, metric="neurons"))
    which = ", in steps of 1 %," if every_step else " that was tried,"
    heading = f"Minimal neuron sets: the smallest top set by {ranking}{which} within the tolerance of the oracle on dev"
    return Table(f"{heading}, retrained", ("tolerance", "neurons", "top (test)", "random (test)", "bottom (test)"),
                 tuple(body), notes(find(rows, study="minimal_set", split="test")))  # fmt: skip


def _untried(row: PlainRow) -> str:
    return f"; {row['steps_untried']} smaller sizes were not tried" if row.get("steps_untried") else ""


def _figure(rows: Sequence[PlainRow], ranking: str, metric: str) -> Figure:
    """What each size that was tried gives on dev; the minimal sets are hollow."""
    found, minima = find(rows, metric=f"searched_{metric}"), {row["k"] for row in find(rows, metric="neurons")}
    shares, values = (tuple(100 * row[key] for row in found) for key in ("share", "value"))
    curve = Series(f"top by {ranking}, retrained", shares, values, flagged=tuple(row["k"] in minima for row in found))
    title = f"Retrained tops by {ranking}, and the minimal sets"
    note = "Hollow: the smallest set within a tolerance of the oracle."
    y = f"{metric_name(metric)} on dev, %"
    return Figure(f"minimal_set_{ranking}", title, "neurons in the top, %", y, (curve,), note=note)


class TopSets:
    """Probes retrained on the top of the ranking, and how they do on dev, by size."""

    def __init__(self, trained: Trained, order: Int[Tensor, " neuron"]) -> None:
        self.trained, self.order, self.dev = trained, order, trained.splits["dev"]
        self.n_neurons = len(trained.table)
        self.sizes = sorted({size("share", percent / 100, self.n_neurons) for percent in range(1, 101)})
        self.probes: dict[int, Probe] = {}
        self.metric = trained.target.metrics[0]
        self.values: dict[int, float] = {}
        self._lost: dict[int, float] = {}
        found = score([trained.probe], self.dev).score(self.metric)
        self._whole, self._of = found.numerator.sum().item(), found.denominator.sum().item()

    def retrain(self, sizes: Iterable[int]) -> None:
        """Train and score new sizes as one bank."""
        new = sorted(set(sizes))
        if not new:
            return
        probes = self.trained.retrain([top(self.order, k) for k in new])
        reached = score(probes, self.dev).score(self.metric).numerator.sum(1).tolist()
        for k, probe, own in zip(new, probes, reached, strict=True):
            self.probes[k], self.values[k], self._lost[k] = probe, own / self._of, self._whole - own

    def is_within(self, k: int, tolerance: float) -> bool:
        """Whether a trained size loses less than the tolerance."""
        return self._lost[k] / self._of < tolerance

    def smallest(self, tolerance: float) -> Probe | None:
        """The probe of the smallest trained size within the tolerance."""
        return next((self.probes[k] for k in sorted(self.probes) if self.is_within(k, tolerance)), None)

    def below(self, k: int | None) -> dict[str, Any]:
        """What was tried below a size, or of all sizes (None): the largest that failed, and how many were not tried."""
        steps = [step for step in self.sizes if k is None or step < k]
        tried = [step for step in steps if step in self.probes]
        untried = len(steps) - len(tried)
        return {"every_step_tried": not untried, "steps_untried": untried, "largest_failed": max(tried, default=None)}

    @property
    def least_lost(self) -> float:
        """What the best trained size loses against the oracle on dev."""
        return min(self._lost.values()) / self._of


def bank_search(tops: TopSets, tolerances: Sequence[float]) -> None:
    """All sizes up to 20 % in one bank, then the next ten in another while a tolerance asks for more: no size below one
    that suffices is left out.
    """
    n_first = sum(k <= size("share", FIRST_SHARE, tops.n_neurons) for k in tops.sizes)
    tops.retrain(tops.sizes[:n_first])
    for start in range(n_first, len(tops.sizes), MORE):
        if all(tops.smallest(t) is not None for t in tolerances):
            return
        tops.retrain(tops.sizes[start : start + MORE])


def bisection(tops: TopSets, tolerances: Sequence[float]) -> None:
    """Halve the sizes that come into question, for all tolerances in the same bank: at most 7 banks.

    Where accuracy falls again with size, a smaller set than the one it ends at may be within the tolerance.
    """
    ends = {t: (0, len(tops.sizes)) for t in tolerances}
    while middles := {t: (low + high) // 2 for t, (low, high) in ends.items() if low < high}:
        tops.retrain(tops.sizes[middle] for middle in middles.values())
        for t, middle in middles.items():
            low, high = ends[t]
            ends[t] = (low, middle) if tops.is_within(tops.sizes[middle], t) else (middle + 1, high)


SEARCHES: dict[str, Callable[[TopSets, Sequence[float]], None]] = {"bank": bank_search, "bisection": bisection}


def _size_row(minimum: Minimum, tops: TopSets, search: str, about: dict[str, Any]) -> Row:
    """How many neurons a minimal set holds; None, and the least loss, if no set that was tried is within."""
    flags: dict[str, Any] = {"tolerance": minimum.tolerance, "search": search, "n_trained": len(tops.probes)}
    flags |= {"within_tolerance": minimum.k is not None, **tops.below(minimum.k)}
    if minimum.k is None:
        return Row("minimal_set", "neurons", None, flags={**flags, "least_lost": tops.least_lost}, **about)
    share = minimum.k / tops.n_neurons
    return Row("minimal_set", "neurons", float(minimum.k), k=minimum.k, share=share, flags=flags, **about)


def _beside(minima: Sequence[Minimum], tops: TopSets, trained: Trained, ranking: str, draws: int) -> Result:
    """The minimal sets, and as many random and bottom neurons retrained in one bank, against the oracle."""
    sizes = sorted({minimum.k for minimum in minima if minimum.k is not None})
    if not sizes:
        return Result(())
    n_draws = dict.fromkeys(sizes, draws)
    own = {ranking: trained.rankings[ranking]}
    sets = neuron_sets(own, trained.table, n_draws, ("top", "random", "bottom"), trained.seed)
    others = iter(trained.retrain([s.neurons for s in sets if s.name != "top"]))
    probes = [tops.probes[s.k] if s.name == "top" else next(others) for s in sets]
    scored = trained.scored([*probes, trained.probe])
    found = compare("redundancy", "retrained", trained, sets, probes, scored, oracle=len(sets))
    rows = [
        replace(row, study=_study(row, tops.metric), flags={**row.flags, "tolerance": minimum.tolerance})
        for minimum in minima if minimum.k is not None for row in found.rows if row.k == minimum.k
    ]  # fmt: skip
    correct = {
        name.replace(f"redundancy/{ranking}/top", f"minimal_set/{ranking}/top"): counts
        for name, counts in found.correct.items()
    }
    return Result(tuple(rows), correct)


def _study(row: Row, metric: str) -> str:
    """The set itself is one study, what stands beside it the other."""
    return "minimal_set" if row.set == "top" and row.metric != f"{metric}_difference" else "redundancy"
