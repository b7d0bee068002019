"""What one judge says of all rankings, as rows; and which ranking is best by it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.studies.best_ranking import Best, Contest, best_ranking
from neuronprobe.studies.comparison import trapezoid
from neuronprobe.studies.entries import Entries, Key
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.judges import Judged, entropy
from neuronprobe.studies.sets import not_earned
from neuronprobe.studies.trained import Trained
from neuronprobe.targets import Score
from neuronprobe.types import Row


@dataclass(frozen=True)
class JudgedRows:
    """What one judge says, as rows."""

    trained: Trained
    entries: Entries
    judged: Judged

    def rows(self) -> Iterator[Row]:
        """Each set on dev and on test, areas, information, and which ranking is best in each range."""
        yield from self._curves("dev")
        yield from self._curves("test")
        yield from self._information()
        for what, counts in self.entries.ranges.items():
            if ks := [k for k in counts if k in self._ks]:
                yield from self._areas(what, ks)
                yield from self._best(what, ks)

    def _curves(self, split: str) -> Iterator[Row]:
        """Random orders by their mean; on test with intervals (of random orders the least and the most)."""
        values = self.judged.scored[split].values(self._metric)
        keys = [key for key in self.entries.at if key[1] != "random"]
        chosen = list(self._sets(keys))
        ends = self._ends([at for _, _, at in chosen]) if split == "test" else None
        for i, (key, k, at) in enumerate(chosen):
            low, high = ends[i] if ends else (None, None)
            yield self._row(self._metric, float(values[at]), key, split, k, low=low, high=high)
        drawn = self.entries.draws()
        for k in self._ks if drawn else []:
            own = values[self.judged.at([self.entries.of(key, [k])[0] for key in drawn])]
            flags = {"n_draws": len(own), "deviation": float(own.std()) if len(own) > 1 else None,
                     "least": float(own.min()), "most": float(own.max())}  # fmt: skip
            yield self._row(f"mean_{self._metric}", float(own.mean()), drawn[0], split, k, **flags)

    def _information(self) -> Iterator[Row]:
        """Bits that tops and bottoms tell of the label, and what share of its entropy they are; on test."""
        told = self.judged.information
        if told is None:
            return
        bits = max(entropy(self.trained.splits["test"]), 1e-12)
        keys = [key for key in self.entries.at if key[1] != "random"]
        chosen = list(self._sets(keys))
        ends = Bootstrap(told.denominator, self.trained.seed).ends(told.numerator[[at for _, _, at in chosen]]).tolist()
        for (key, k, at), (low, high) in zip(chosen, ends, strict=True):
            value = float(told.value[at])
            yield self._row("information", value, key, "test", k, low=low, high=high)
            share = {"low": low / bits, "high": high / bits, "entropy": bits}
            yield self._row("normalised_information", value / bits, key, "test", k, **share)

    def _areas(self, what: str, ks: Sequence[int]) -> Iterator[Row]:
        """Mean heights over log(neurons) of both ends, by trapezoids."""
        for key in [key for key in self.entries.at if key[1] != "random" and self.judged.has(self.entries.of(key, ks))]:
            for split in ("dev", "test"):
                values = self.judged.scored[split].values(self._metric)
                value = float(_weights(ks) @ values[self.judged.at(self.entries.of(key, ks))])
                yield self._row(f"{self._metric}_area", value, key, split, **self._range(what, ks))

    def contest(self, what: str, ks: Sequence[int]) -> Contest:
        """The tops of all rankings in one range."""
        weights, names = _weights(ks), list(self.trained.rankings)
        tops = [self.judged.at(self.entries.of((name, "top", None), ks)) for name in names]
        values = {split: own.values(self._metric) for split, own in self.judged.scored.items()}
        parts = self._score
        numerators = torch.stack([weights @ parts.numerator[own].double() for own in tops])
        drawn = [float(weights @ values["test"][self.judged.at(self.entries.of(key, ks))])
                 for key in self.entries.draws()]  # fmt: skip
        dev = torch.stack([weights @ values["dev"][own] for own in tops])
        return Contest(
            names, dev, numerators, parts.denominator, torch.tensor(drawn, dtype=torch.float64),
            self._made_again(what, values["test"]),
        )  # fmt: skip

    def _made_again(self, what: str, values: Float[Tensor, " set"]) -> Float[Tensor, "ranking made"]:
        """Of one set of the range what the rankings reach, and what they do when made again, where it is judged."""
        again, place = self.entries.again[what], self.entries.counts.index(self.entries.middle[what])
        n_again, rows = max(map(len, again.values()), default=0), []
        for name in self.trained.rankings:
            sets = [self.entries.at[name, "top", None][place], *again.get(name, [])]
            found = values[self.judged.at(sets)] if self.judged.has(sets) else values.new_full((1,), torch.nan)
            unknown = values.new_full((1 + n_again - len(found),), torch.nan)
            rows.append(torch.cat([found, unknown]))
        return torch.stack(rows)

    def _best(self, what: str, ks: Sequence[int]) -> Iterator[Row]:
        """The best on dev, and its difference from every other ranking on test."""
        best = best_ranking(self.contest(what, ks), self.trained.seed)
        key: Key = (best.name, "top", None)
        flags = {**self._range(what, ks), **_about(best)}
        yield self._row("best", best.value, key, "test", low=best.low, high=best.high, **flags)
        for rival in best.rivals:
            own: dict[str, Any] = {"against": rival.name, "p": rival.p, "p_corrected": rival.corrected,
                   "p_again": rival.p_again, "same": rival.is_same}  # fmt: skip
            yield self._row(f"{self._metric}_difference", rival.difference, key, "test", low=rival.low,
                            high=rival.high, **self._range(what, ks), **own)  # fmt: skip

    @property
    def _metric(self) -> str:
        return self.trained.metric

    @cached_property
    def _score(self) -> Score:
        return self.judged.scored["test"].score(self._metric)

    @cached_property
    def _ks(self) -> list[int]:
        """The sizes that the judge judges, of tops and of random orders."""
        keys = [key for key in self.entries.at if key[1] != "bottom"]
        return [k for k in self.entries.counts if all(self.judged.has(self.entries.of(key, [k])) for key in keys)]

    def _sets(self, keys: Sequence[Key]) -> Iterator[tuple[Key, int, int]]:
        """The sets that it judges, with their sizes and their positions among its own."""
        for key in keys:
            for k, at in zip(self.entries.counts, self.entries.at[key], strict=True):
                if at in self.judged.positions:
                    yield key, k, self.judged.positions[at]

    def _ends(self, positions: Sequence[int]) -> list[tuple[float, float]]:
        bootstrap = Bootstrap(self._score.denominator, self.trained.seed)
        return [(low, high) for low, high in bootstrap.ends(self._score.numerator[list(positions)]).tolist()]

    def _range(self, what: str, ks: Sequence[int]) -> dict[str, Any]:
        n = len(self.trained.table)
        return {"range": what, "from_share": ks[0] / n, "to_share": ks[-1] / n, "n_sizes": len(ks), "over": "log k"}

    def _row(
        self, metric: str, value: float, key: Key, split: str, k: int | None = None, low: float | None = None,
        high: float | None = None, **flags: Any,
    ) -> Row:  # fmt: skip
        name, end, _ = key
        where: dict[str, Any] = {"k": k, "share": k / len(self.trained.table)} if k else {}
        about = {"judge": self.judged.judge, **({"fill": self.judged.fill} if self.judged.fill else {}), **flags}
        if k and name in self.trained.rankings:
            about |= not_earned(self.trained.rankings[name], end, k)
        mode = "ablated" if self.judged.fill else "retrained"
        ranking = name if name in self.trained.rankings else None
        return Row("compare_rankings", metric, value, ranking=ranking, set=end, low=low, high=high, flags=about,
                   **where, **self.trained.about(mode=mode, split=split))  # fmt: skip


def _weights(ks: Sequence[int]) -> Float[Tensor, " size"]:
    return torch.tensor(trapezoid([math.log(k) for k in ks]), dtype=torch.float64)


def _about(best: Best) -> dict[str, Any]:
    return {"p_random": best.p_random, "beats_random": best.beats_random, "is_best": best.is_named,
            "equals": list(best.equals)}  # fmt: skip
