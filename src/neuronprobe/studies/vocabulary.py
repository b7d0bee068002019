"""The words of a split, and how often each label stands there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neuronprobe.studies.cells import PlainRow, find, first
from neuronprobe.targets import Target
from neuronprobe.types import Row, Units


def vocabulary(target: Target, units: Mapping[str, Units]) -> list[Row]:
    """Word types of each split, the shares of its types and units whose type train lacks, and the units of each label.

    What counts as a type is the property's (`Unit.type`): of words their forms.
    """
    known = set(units["train"].types)
    rows = []
    for split, found in units.items():
        types = set(found.types)
        counts = {
            "types": float(len(types)),
            "types_unseen": len(types - known) / max(1, len(types)),
            "units_unseen": sum(kind not in known for kind in found.types) / max(1, len(found)),
        }
        rows += [Row("corpus", metric, value, split=split) for metric, value in counts.items()]
        rows += [
            Row("corpus", "label_units", float(n), split=split, label=name)
            for name, n in zip(target.names, target.support(found), strict=True)
        ]
    return rows


def vocabulary_text(rows: Sequence[PlainRow]) -> str:
    """How many units have a type that train lacks, by split; empty where that was not counted."""
    shares = {row["split"]: row["value"] for row in find(rows, study="corpus", metric="units_unseen")}
    types = first(rows, study="corpus", metric="types", split="train")
    if types is None:
        return ""
    unseen = " and ".join(f"{100 * share:.1f} % of {split}" for split, share in shares.items() if split != "train")
    return f"train has {types['value']:,.0f} types; {unseen} are of others."
