"""Stability selection: neurons that most half-samples of the sentences select, and how many of them chance explains.

Meinshausen and Bühlmann 2010; complementary pairs and bounds of Shah and Samworth 2013. A half-sample walks the path of
λ1 and selects the neurons in use (any label's weight is not zero) at the last λ1 that uses at most q.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.probes import ExactFit, Fit, Member
from neuronprobe.progress import bar
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, find, first, neuron_name, plain
from neuronprobe.studies.resamples import half_samples
from neuronprobe.studies.selection_bounds import lattice, most_selected, r_concave, worst_case
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Result, Row

RATIO = 0.85
"""λ1 falls by this from step to step of a path."""
COARSE, WEAKEST = 2, 42
"""Steps between two λ1 of all of train, by which the begin is found; the last step of all (.001 of λ1_max)."""
STEPS, TOGETHER = 5, 20
"""Steps of a path that are solved at a time, and half-samples whose paths are walked together."""
THRESHOLDS = (0.6, 0.7, 0.8, 0.9, 1.0)
"""Those that are shown beside the one that was asked for."""


def stability_selection(
    trained: Trained, expected: float = 1.0, threshold: float = 0.9, pairs: int = 50, bound: str = "worst_case"
) -> Result:
    """Neurons that at least `threshold` of the half-samples select, with λ2 of the chosen probe.

    q is the largest with which at most `expected` of them are rarely selected ones by the `bound` (worst_case or
    r_concave). Hands on columns of ranking.csv. Raises InputError where solver exact did not train.
    """
    q = refuse_or_q(trained.fit, len(trained.table), expected, threshold, pairs, bound)
    weights = half_samples(trained.train.units, pairs, trained.seed)
    found = Selected(*walk(trained, weights, q), q, threshold, pairs)
    rows = list(_rows(found, trained, expected, bound))
    shown = plain(rows)
    tables = (_table(shown), _neurons_table(shown))
    return Result(tuple(rows), {}, tables, (_figure(shown),), (_remark(shown),), handed=found.columns)


def refuse_or_q(fit: Fit, p: int, expected: float, threshold: float, pairs: int, bound: str) -> int:
    """How many neurons a half-sample may select. Raises InputError where nothing can be told."""
    if not isinstance(fit, ExactFit):
        raise InputError(
            f"probe must be exact for callbacks.stability_selection, which reads exact zeros, got {fit.solver}; "
            "choose probe=exact."
        )
    return most_selected(expected, p, threshold, pairs, bound)


@dataclass(frozen=True)
class Selected:
    """What each half-sample selected, and the λ1 at which it stopped (NaN where its first selects more than q)."""

    chosen: Bool[Tensor, "half neuron"]
    l1: Float[Tensor, " half"]
    q: int
    threshold: float
    pairs: int

    @cached_property
    def counts(self) -> list[int]:
        """How many half-samples selected each neuron."""
        return self.chosen.sum(0).tolist()

    @property
    def p(self) -> int:
        """How many neurons there are."""
        return self.chosen.shape[1]

    def listed(self, threshold: float) -> list[int]:
        """The neurons that at least this share of the half-samples selected, the most often selected first."""
        least = lattice(threshold, self.pairs)
        chosen = [neuron for neuron, count in enumerate(self.counts) if count >= least]
        return sorted(chosen, key=lambda neuron: -self.counts[neuron])

    def bounds(self, threshold: float) -> tuple[float, float]:
        """How many rarely selected neurons are expected in the list of a threshold: at worst, and r-concave."""
        return worst_case(self.q, self.p, threshold), r_concave(self.q, self.p, threshold, self.pairs)

    @property
    def columns(self) -> dict[str, list[str]]:
        """For ranking.csv: share of half-samples, whether the neuron is listed, both bounds of the list down to it.

        Bounds hold for a threshold that was chosen beforehand, and are there for shares above one half.
        """
        halves = len(self.chosen)
        bounds = {count: self.bounds(count / halves) for count in set(self.counts) if 2 * count > halves}
        texts = {count: tuple(f"{one:.3g}" for one in own) for count, own in bounds.items()}
        worst, tighter = zip(*(texts.get(count, ("", "")) for count in self.counts), strict=True)
        least = lattice(self.threshold, self.pairs)
        return {
            "selection_share": [f"{count / halves:.4g}" for count in self.counts],
            "listed": [str(count >= least).lower() for count in self.counts],
            "expected_rarely_selected": list(worst),
            "expected_if_r_concave": list(tighter),
        }


def walk(
    trained: Trained, weights: Float[Tensor, "half unit"], q: int
) -> tuple[Bool[Tensor, "half neuron"], Float[Tensor, " half"]]:
    """What each half-sample selects, and its λ1: the last before more than `q` neurons are in use."""
    path, found = Path(trained, q), []
    begin = path.begin()
    with bar("half-samples", len(weights)) as advance:
        for together in weights.split(TOGETHER):
            found += path.walked(together, begin)
            advance(len(found))
    chosen, stopped = zip(*found, strict=True)
    return torch.stack(chosen), torch.tensor(stopped)


@dataclass(frozen=True)
class Path:
    """λ1 from λ1_max of all of train downwards, in steps of one ratio."""

    trained: Trained
    q: int

    @cached_property
    def _most(self) -> float:
        assert isinstance(self.trained.fit, ExactFit)
        return self.trained.fit.l1_max(Member(), self.trained.train)

    def l1(self, step: int) -> float:
        """λ1 of a step."""
        return self._most * RATIO ** (step + 1)

    def begin(self) -> int:
        """The last step, of some, at which all of train uses at most half of q neurons: half-samples use few more."""
        for step in range(0, WEAKEST, STEPS * COARSE):
            steps = range(step, min(step + STEPS * COARSE, WEAKEST), COARSE)
            (used,) = self.used([None], steps)
            many = (2 * used.sum(1) > self.q).nonzero().flatten()
            if len(many):
                return max(0, steps[int(many[0])] - COARSE)
        return 0

    def walked(self, weights: Float[Tensor, "half unit"], begin: int) -> list[tuple[Bool[Tensor, " neuron"], float]]:
        """For each half-sample what it selects, and its λ1: none and NaN where the first λ1 uses too many."""
        found = [(torch.zeros(len(self.trained.table), dtype=torch.bool), math.nan) for _ in weights]
        left = list(range(len(weights)))
        for step in range(begin, WEAKEST, STEPS):
            steps = range(step, min(step + STEPS, WEAKEST))
            used = dict(zip(left, self.used([weights[half] for half in left], steps), strict=True))
            for half, own in used.items():
                few = int((own.sum(1) <= self.q).long().cumprod(0).sum())
                if few:
                    found[half] = (own[few - 1], self.l1(steps[few - 1]))
            left = [half for half, own in used.items() if int(own.sum(1).max()) <= self.q]
            if not left:
                break
        early = [half for half, (_, l1) in enumerate(found) if math.isnan(l1)]
        if early and begin:  # they use more at the begin already: from farther up
            for half, earlier in zip(early, self.walked(weights[early], max(0, begin - STEPS)), strict=True):
                found[half] = earlier
        return found

    def used(
        self, weights: Sequence[Float[Tensor, " unit"] | None], steps: Sequence[int]
    ) -> list[Bool[Tensor, "step neuron"]]:
        """For each weighting the neurons that its probe uses at each step; labels that it lacks use none."""
        trained = self.trained
        members = [trained.member(l1=self.l1(step), weights=own) for own in weights for step in steps]
        probes = trained.fit(members, trained.train)
        used = [
            (trained.evidence(probe, member.weights).probe_weights() != 0).any(0)
            for probe, member in zip(probes, members, strict=True)
        ]
        return [torch.stack(used[i : i + len(steps)]) for i in range(0, len(used), len(steps))]


def _rows(found: Selected, trained: Trained, expected: float, bound: str) -> Iterator[Row]:
    about: dict[str, Any] = {"q": found.q, "p": found.p, "pairs": found.pairs}

    def row(metric: str, value: int | float, flags: dict[str, Any], **where: Any) -> Row:
        return Row("stability_selection", metric, float(value), flags={**about, **flags}, **trained.about(**where))

    for threshold in sorted({*THRESHOLDS, found.threshold}):
        own = {"threshold": threshold, "asked": threshold == found.threshold}
        yield row("listed_neurons", len(found.listed(threshold)), own, set="listed")
        for assumption, value in zip(("none", "r_concave"), found.bounds(threshold), strict=True):
            yield row("expected_rarely_selected", value, {**own, "assumption": assumption}, set="listed")
    sizes, l1 = found.chosen.sum(1).double(), found.l1[~found.l1.isnan()].double()
    yield row("selected_neurons", float(sizes.mean()), {}, low=float(sizes.min()), high=float(sizes.max()))
    if len(l1):
        yield row("stopped_at_l1", float(l1.mean()), {}, l1=None, low=float(l1.min()), high=float(l1.max()))
    yield row("wanted", expected, {"threshold": found.threshold, "bound": bound})
    for flat in found.listed(found.threshold):
        neuron = trained.table.neuron(flat)
        where = {"site": neuron.site, "layer": neuron.layer, "neuron": neuron.index}
        yield row("selection_share", found.counts[flat] / len(found.chosen), {"role": neuron.role}, **where)


def _table(rows: Sequence[PlainRow]) -> Table:
    body = []
    for row in find(rows, metric="listed_neurons"):
        bounds = find(rows, metric="expected_rarely_selected", threshold=row["threshold"])
        mark = " ← asked" if row["asked"] else ""
        body.append((f"{row['threshold']:.0%}{mark}", f"{row['value']:.0f}", *(f"{b['value']:.2g}" for b in bounds)))
    header = ("of the half-samples, at least", "neurons", "rarely selected ones, at most", "if r-concave, at most")
    return Table("Stability selection: neurons that most half-samples select", header, tuple(body), (_how(rows),))


def _neurons_table(rows: Sequence[PlainRow]) -> Table:
    body = tuple((neuron_name(row), f"{100 * row['value']:.0f}") for row in find(rows, metric="selection_share"))
    header = ("(layer, index)", "half-samples that select it, %")
    return Table("Stability selection: the neurons that are listed", header, body, on_screen=False)


def _figure(rows: Sequence[PlainRow]) -> Figure:
    found = find(rows, metric="listed_neurons")
    bounds = {
        "rarely selected, at most": find(rows, metric="expected_rarely_selected", assumption="none"),
        "rarely selected if r-concave, at most": find(rows, metric="expected_rarely_selected", assumption="r_concave"),
    }
    series = [_curve(name, own) for name, own in {"neurons listed": found, **bounds}.items()]
    title = "Neurons that at least a share of the half-samples select"
    most = max(row["value"] for row in (*found, *bounds["rarely selected, at most"]))
    return Figure("stability_selection", title, "half-samples, at least, %", "neurons", tuple(series), limits=(0, most))


def _curve(name: str, rows: Sequence[PlainRow]) -> Series:
    return Series(name, tuple(100 * row["threshold"] for row in rows), tuple(row["value"] for row in rows))


def _how(rows: Sequence[PlainRow]) -> str:
    """q, λ, and what is counted."""
    (mean,), stopped = find(rows, metric="selected_neurons"), first(rows, metric="stopped_at_l1")
    l1 = "none" if stopped is None else f"{stopped['value']:.2g} ({stopped['low']:.2g} to {stopped['high']:.2g})"
    return (
        f"{mean['pairs']} complementary pairs of half-samples of sentences; each selects the neurons in use at the "
        f"last λ1 with at most q = {mean['q']} of {mean['p']:,}: {mean['value']:.1f} on average, at λ1 {l1}, λ2 "
        f"{mean['l2']:g}. Rarely selected: with a probability of at most q/p = {mean['q'] / mean['p']:.2%}."
    )


def _remark(rows: Sequence[PlainRow]) -> str:
    (listed,) = find(rows, metric="listed_neurons", asked=True)
    worst, tighter = find(rows, metric="expected_rarely_selected", asked=True)
    return (
        f"stability selection: {listed['value']:.0f} neurons are selected by at least {listed['threshold']:.0%} of "
        f"{2 * listed['pairs']} half-samples; the expected number of rarely selected neurons among them is at most "
        f"{worst['value']:.2g} ({tighter['value']:.2g} if their shares are r-concave). These are the falsely selected "
        "ones if neurons that say nothing are exchangeable and selected no more often than the others."
    )
