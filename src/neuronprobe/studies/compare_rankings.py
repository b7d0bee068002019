"""All rankings of a job side by side: any ranking × any judge × {top-to-bottom, bottom-to-top, random}.

Antverg and Belinkov (2022), pitfall I: whether a ranking is good and whether a probe is good must be told apart. And
which is best for small sets, which for large ones, which is most stable: see `best_ranking`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.neurons import top
from neuronprobe.probes import score
from neuronprobe.studies.entries import Entries
from neuronprobe.studies.judged_rows import JudgedRows
from neuronprobe.studies.judges import OF_LABELS, Judged, judged
from neuronprobe.studies.selectivity import Memory, memorised
from neuronprobe.studies.sets import sizes
from neuronprobe.studies.stability import made_again, of_other_seeds
from neuronprobe.studies.stable_rankings import stable_rankings
from neuronprobe.studies.standings import standings
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Result, Row

STUDY = "compare_rankings"


def compare_rankings(
    trained: Trained, values: Sequence[int | float], judges: Sequence[str], draws: int = 10, resamples: int = 5,
    seeds: int = 1, once: Sequence[str] = (), small: int | float = 0.05, tolerance: float = 0.01,
    control_draws: int = 3,
) -> Result:  # fmt: skip
    """What the tops and bottoms of all rankings, and `draws` random orders, give by each judge; the verdict.

    `values` are counts or shares; those up to `small` are small sets, the others large ones, and each range counts by
    the area under its curve over log(neurons). Rankings are made again from `resamples` of the training sentences, but
    those named in `once`. The minimal set is the smallest top, retrained, within the `tolerance` of the oracle on dev;
    at `small` a control task is learned `control_draws` times. Judges of labels are left out for values.

    Raises InputError where there is only one ranking.
    """
    if len(trained.rankings) < 2:
        raise InputError(
            f"ranking must be at least 2 rankings to be compared, got {trained.primary} alone; "
            "choose ranking=[lca,magnitude,probeless]."
        )
    often = [name for name in trained.rankings if name not in once]
    again = made_again(trained, often, resamples) if resamples else {}
    entries = Entries(trained, sorted(sizes(values, len(trained.table))), draws, small, again)
    wanted = [judge for judge in judges if judge not in OF_LABELS or len(trained.target) > 1]
    found = [one for judge in wanted for one in judged(trained, judge, entries.sets.found, entries.wanted(judge))]
    rows = [row for one in found for row in JudgedRows(trained, entries, one).rows()]
    rows += stable_rankings(trained, again, of_other_seeds(trained, often, seeds), entries.ranges)
    rows += [*_minimal(trained, entries, found, tolerance), *_memory(trained, entries, found, control_draws)]
    correct = {key: own for one in found for key, own in _correct(trained, entries, one)}
    return replace(standings(rows, trained.metric, list(trained.rankings)), correct=correct)


def _linear(found: Sequence[Judged]) -> Judged | None:
    return next((one for one in found if one.judge == "linear"), None)


def _minimal(trained: Trained, entries: Entries, found: Sequence[Judged], tolerance: float) -> Iterator[Row]:
    """The smallest top within the tolerance of the oracle on dev, of the sizes that were judged and up to four in steps
    of 1 % between the last that fails and the first that suffices; None where none does.
    """
    linear = _linear(found)
    if linear is None:
        return
    metric, dev, n = trained.target.metrics[0], trained.splits["dev"], len(trained.table)
    least = float(score([trained.probe], dev).values(metric)[0]) - tolerance
    values = linear.scored["dev"].values(metric)
    reached = {
        name: {
            k: float(values[linear.positions[at]])
            for k, at in zip(entries.counts, entries.at[name, "top", None], strict=True)
            if at in linear.positions
        }
        for name in trained.rankings
    }
    tried = [(name, k) for name, own in reached.items() for k in _between(own, least, n)]
    if tried:
        probes = trained.retrain([top(trained.rankings[name].order, k).sort().values for name, k in tried])
        for (name, k), value in zip(tried, score(probes, dev).values(metric).tolist(), strict=True):
            reached[name][k] = value
    for name, own in reached.items():
        least_k = next((k for k in sorted(own) if own[k] > least), None)
        failed = max((k for k in own if least_k is None or k < least_k), default=None)
        where: dict[str, Any] = {} if least_k is None else {"k": least_k, "share": least_k / n}
        reaches = least_k is not None
        flags = {"judge": "linear", "tolerance": tolerance, "within_tolerance": reaches, "largest_failed": failed}
        yield Row(STUDY, "minimal_set", None if least_k is None else float(least_k), ranking=name, set="top",
                  flags=flags, **where, **trained.about(mode="retrained", split="dev"))  # fmt: skip


def _between(reached: Mapping[int, float], least: float, n: int) -> list[int]:
    """Up to four sizes, in whole percents, between the last that fails and the first that suffices."""
    ks = sorted(reached)
    first = next((k for k in ks if reached[k] > least), None)
    if first is None:
        return []
    last = max((k for k in ks if k < first), default=0)
    steps = [k for k in dict.fromkeys(max(1, round(i / 100 * n)) for i in range(1, 100)) if last < k < first]
    return [steps[round((i + 1) * (len(steps) + 1) / 5) - 1] for i in range(4)] if len(steps) > 4 else steps


def _memory(trained: Trained, entries: Entries, found: Sequence[Judged], draws: int) -> Iterator[Row]:
    """Selectivity of each ranking's largest small top, retrained: accuracy − that of a task that only memory solves."""
    linear, ks = _linear(found), entries.ranges.get("small", entries.counts)
    if linear is None or not draws:
        return
    ks = [k for k in ks if linear.has([entries.of((name, "top", None), [k])[0] for name in trained.rankings])]
    if not ks:
        return
    k = ks[-1]
    positions = [entries.of((name, "top", None), [k])[0] for name in trained.rankings]
    each = list(dict.fromkeys(positions))
    by_split = memorised([entries.sets.found[one] for one in each], trained, draws)
    for split, learned in by_split.items():
        own = linear.scored[split].score(trained.target.metrics[0])
        compared = Memory(STUDY, replace(own, numerator=own.numerator[linear.at(each)]), learned, trained.seed,
                          trained.about(split=split, task="control"))  # fmt: skip
        where: dict[str, Any] = {"set": "top", "k": k, "share": k / len(trained.table), "mode": "retrained"}
        for name, position in zip(trained.rankings, positions, strict=True):
            rows = compared.rows(each.index(position), {**where, "ranking": name}, {"judge": "linear"})
            yield from (row for row in rows if row.draw is None)


def _correct(trained: Trained, entries: Entries, one: Judged) -> Iterator[tuple[str, Tensor]]:
    """Correct units of each test sentence with each top, by name."""
    numerator = one.scored["test"].score(trained.target.metrics[0]).numerator
    for name in trained.rankings:
        for k, at in zip(entries.counts, entries.at[name, "top", None], strict=True):
            if at in one.positions:
                yield f"{STUDY}/{one.name}/{name}/top-{k}", numerator[one.positions[at]]
