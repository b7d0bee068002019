"""Whether the ranking earned its name: what its top beats, in one sentence that can be quoted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from neuronprobe.report.lookup import count, of_primary
from neuronprobe.studies.cells import PlainRow, find, first, metric_name

SHARES = (0.1, 0.2)
FILLS = ("zero", "mean")
RIVALS = {
    "random": "random sets",
    "layer_matched": "random sets of the same layers",
    "majority": "the most frequent label",
    "mean": "the mean of train",
}
"""What the top can beat, the weakest first."""
ODDS = {2: 0.025, 1: 0.0125}
"""The largest p at which random sets are beaten: where both sizes are wanted, and where there is one."""
ADVICE = "raise probe.l1, take more optimizer steps (smaller probe.batch_size, more probe.epochs) or more data"


class Verdict(NamedTuple):
    """A sentence, and which of RIVALS are beaten with both fills at all sizes (none where it is withheld)."""

    text: str
    beaten: tuple[str, ...]


def judge(rows: Sequence[PlainRow], metric: str = "accuracy") -> Verdict:
    """The verdict on the top neurons kept in the trained probe, at 10 and 20 %, on test.

    Random sets are beaten where p = (1 + draws that reach the top) / (1 + draws) is at most .025 at both sizes (.0125
    where one was measured), the most frequent label where the interval of the difference stays above 0; with zero fill
    and with mean fill. Withheld where the ranking can't be judged, with the reason.
    """
    rows = of_primary(rows)
    ks = [k for k in dict.fromkeys(count(rows, share) for share in SHARES) if _measured(rows, metric, "random", [k])]
    if not ks:
        return Verdict("Whether top beats random sets was not measured: no ablation at 10 or 20 % with both fills.", ())
    if reason := next(_doubts(rows, metric, ks), ""):
        return Verdict(f"No verdict on the top neurons: {reason}.", ())
    failed = {rival: _failing(rows, metric, rival, ks) for rival in RIVALS if _measured(rows, metric, rival, ks)}
    least = _fewest_draws(ks)
    n_draws = min(row["n_draws"] for k in ks for row in _differences(rows, metric, "random", k))
    if n_draws < least:
        wanted = f"it takes {least} draws, there are {n_draws}; raise callbacks.ablation.tested_draws"
        return Verdict(f"Whether top beats random sets was not tested: {wanted}.", ())
    gains = _gains(rows, metric, ks, "random", failed["random"])
    if failed["random"]:
        return Verdict(
            f"Top does not beat random sets{_where(failed['random'])}: {gains}. This ranking must not be read as "
            f"saliency; {ADVICE}.",
            (),
        )
    beaten = tuple(rival for rival, fills in failed.items() if not fills)
    text = f"Top beats {_listed([RIVALS[rival] for rival in beaten])}: {gains}"
    for rival, fills in failed.items():
        if fills:
            text += f"; it does not beat {RIVALS[rival]}{_where(fills)}: {_gains(rows, metric, ks, rival, fills)}"
    return Verdict(f"{text}.", beaten)


def _fewest_draws(ks: Sequence[int]) -> int:
    """Draws with which the least possible p is small enough."""
    return round(1 / ODDS[len(ks)]) - 1


def _doubts(rows: Sequence[PlainRow], metric: str, ks: Sequence[int]) -> Iterator[str]:
    """Why the top should not be judged."""
    steps = first(rows, study="training", metric="optimizer_steps")
    if steps is not None and steps["value"] < steps["fewest"]:
        yield (
            f"the probe took {steps['value']:.0f} optimizer steps, fewer than {steps['fewest']}; lower "
            "probe.batch_size or raise probe.epochs"
        )
    residual = first(rows, study="lambda_search", metric="kkt_residual", chosen=True)
    if residual is not None and residual.get("converged") is False:
        yield (
            f"the probe did not come to its optimum (KKT residual {residual['value']:.1e}); raise probe.epochs, "
            "probe.tolerance or the weakest λ"
        )
    for k in ks:
        top = first(rows, study="ablation", metric=metric, set="top", split="test", k=k) or {}
        if (beyond := top.get("not_earned") or 0) > k / 2:
            yield (
                f"of the top {k:,} the ranking earned {k - beyond:,}, the others stand in a drawn order; lower "
                "probe.l1 or probe.l1_shares, or let the ranking look at more neurons"
            )


def _differences(rows: Sequence[PlainRow], metric: str, rival: str, k: int) -> list[PlainRow]:
    """One for each fill."""
    wanted = {"study": "ablation", "metric": f"{metric}_difference", "split": "test", "against": rival, "k": k}
    return [row for fill in FILLS for row in find(rows, **wanted, fill=fill)]


def _measured(rows: Sequence[PlainRow], metric: str, rival: str, ks: Sequence[int]) -> bool:
    """Whether a rival was measured with both fills at all sizes."""
    return all(len(_differences(rows, metric, rival, k)) == len(FILLS) for k in ks)


def _failing(rows: Sequence[PlainRow], metric: str, rival: str, ks: Sequence[int]) -> list[str]:
    """The fills with which a rival is not beaten at all sizes."""
    odds = ODDS[len(ks)]
    return [
        fill
        for fill in FILLS
        for found in [[row for k in ks for row in _differences(rows, metric, rival, k) if row["fill"] == fill]]
        if not all((row["low"] or 0) > 0 if row.get("p") is None else row["p"] <= odds for row in found)
    ]


def _gains(rows: Sequence[PlainRow], metric: str, ks: Sequence[int], rival: str, failing: Sequence[str]) -> str:
    """Top − rival at each size, its interval, and how many random sets reach the top: with the fill that fails, of two
    that with the smaller difference; where none fails, with the weaker one.
    """
    parts = []
    points = "points" if metric == "accuracy" else f"points of {metric_name(metric)}"
    shares = {count(rows, share): share for share in reversed(SHARES)}
    for k in ks:
        found = _differences(rows, metric, rival, k)
        judged = [row for row in found if row["fill"] in failing]
        row = min(judged, key=lambda row: row["value"]) if judged else min(found, key=_strength)
        ends = "" if row["low"] is None else f" [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
        size = f"{100 * row['value']:+.1f} {points}{ends} with {shares[k]:.0%} kept"
        parts.append(f"{size} ({row['fill']} fill{_odds(row)})")
    return " and ".join(parts)


def _odds(row: PlainRow) -> str:
    if row.get("p") is None:
        return ""
    reached = round(row["p"] * (1 + row["n_draws"])) - 1
    return f"; {reached} of {row['n_draws']} random sets reach it, p = {row['p']:.3g}"


def _strength(row: PlainRow) -> tuple[float, float]:
    """What the weaker fill has less of: that by which a rival is beaten or not, then the difference."""
    judged = row["low"] if row.get("p") is None else -row["p"]
    return judged or 0.0, row["value"]


def _where(fills: Sequence[str]) -> str:
    """With which fill it fails, where the other one does not."""
    return f" with {fills[0]} fill" if len(fills) == 1 else ""


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
