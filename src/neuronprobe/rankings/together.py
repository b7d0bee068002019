"""Rankings of several weightings of train, made together: the probes that they train next are one bank.

A ranking is called with the probes that there are; where it wants others it is called again once these are trained, and
so on. Small banks one after the other would take as long as large ones: most of a step's time is not computation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from neuronprobe.activations import Split
from neuronprobe.probes import Member, Probe
from neuronprobe.rankings.evidence import Evidence, Key, Rank, key
from neuronprobe.rankings.rehearsal import WorkBegins
from neuronprobe.types import Ranking

PATIENCE = 2
"""One such call is to be expected: what two rankings want may be remembered between them."""


def ranked_together(
    ranks: Mapping[str, Rank], evidences: Sequence[Evidence]
) -> Iterator[tuple[int, str, Ranking]]:  # fmt: skip
    """Every ranking of all evidences, which have one train and one `fit`; with position and name, as they are done.

    One that does not come back for what it wanted trains alone, after `PATIENCE` such calls.
    """
    asked = {(i, name): frozenset[Key]() for i in range(len(evidences)) for name in ranks}
    forgot = dict.fromkeys(asked, 0)
    known = [dict(evidence.known) for evidence in evidences]
    while asked:
        wanted: list[dict[Key, Member]] = [{} for _ in evidences]
        for (i, name), before in list(asked.items()):
            asking = _Asking(**vars(evidences[i]) | {"known": known[i]}, whole=evidences[i].train)
            try:
                found = ranks[name](asking)
            except WorkBegins as begun:
                forgot[i, name] = 0 if before <= asking.used else forgot[i, name] + 1
                if forgot[i, name] < PATIENCE:
                    asked[i, name] = frozenset(map(key, begun.members))
                    wanted[i] |= {key(member): member for member in begun.members}
                    continue
                found = ranks[name](evidences[i])
            del asked[i, name]
            yield i, name, found
        for probes, own in zip(known, _trained(wanted, evidences), strict=True):
            probes |= own


def _trained(wanted: Sequence[Mapping[Key, Member]], evidences: Sequence[Evidence]) -> list[dict[Key, Probe]]:
    """Of each evidence its probes, on its weights."""
    members = [
        replace(m, weights=evidence.weights)
        for own, evidence in zip(wanted, evidences, strict=True)
        for m in own.values()
    ]
    fit = evidences[0].fit
    probes = iter(fit(members, evidences[0].train) if members and fit is not None else [])
    return [{one: next(probes) for one in own} for own in wanted]


@dataclass(frozen=True)
class _Asking(Evidence):
    """Evidence that trains nothing on the `whole` train, but says what is wanted; `used` is what was asked for."""

    whole: Split | None = None
    used: set[Key] = field(default_factory=set)

    def trained(self, members: Sequence[Member], ranking: str) -> list[Probe]:
        """Those that there are. Raises WorkBegins where some are not there."""
        if self.fit is None or self.train is not self.whole:
            return super().trained(members, ranking)
        keys = [key(member) for member in members]
        self.used.update(keys)
        missing = [member for member, one in zip(members, keys, strict=True) if one not in self.known]
        if missing:
            raise WorkBegins(missing)
        return [self.known[one] for one in keys]
