"""What a ranking can't work with, said before anything is trained: it is called until its work would begin."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from neuronprobe.activations import Split
from neuronprobe.errors import InputError
from neuronprobe.probes import Fit, Member, Probe
from neuronprobe.rankings.evidence import Evidence, Rank


class WorkBegins(Exception):
    """A ranking asked for activations, a probe or training: it has refused all that it refuses before.

    `members` are the probes that it would train.
    """

    def __init__(self, members: Sequence[Member] = ()) -> None:
        super().__init__()
        self.members = list(members)


def rehearse(rank: Rank, train: Split, dev: Split, fit: Fit | None, seed: int) -> list[Member]:
    """The probes of all neurons that a ranking would train first.

    Raises InputError where it refuses its settings, the labels or the neurons that there are.
    """
    try:
        rank(_Rehearsal(_without_activations(train), _without_activations(dev), fit, seed))
    except WorkBegins as begun:
        return [member for member in begun.members if member.neurons is None]
    except InputError:
        raise
    except Exception:  # whatever a ranking of one's own makes of it: it is called again with everything
        return []
    return []


@dataclass(frozen=True)
class _Rehearsal(Evidence):
    """Evidence that has units, labels and neurons alone."""

    def given_probe(self) -> Probe:
        """Raises WorkBegins."""
        raise WorkBegins

    def trained(self, members: Sequence[Member], ranking: str) -> list[Probe]:
        """Raises WorkBegins; InputError without `fit`."""
        if self.fit is None:
            super().trained(members, ranking)
        raise WorkBegins(members)


class _NoStore:
    def __getattr__(self, name: str) -> Any:
        raise WorkBegins


def _without_activations(split: Split) -> Split:
    other = copy(split)
    other.__dict__.pop("standardisation", None)
    other.__dict__["_store"] = _NoStore()
    return other
