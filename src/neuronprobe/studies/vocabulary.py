"""The words of a split, and how often each label stands there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from neuronprobe.types import Row, Units


def vocabulary(units: Mapping[str, Units], labels: Sequence[str]) -> list[Row]:
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
        of_train = found.labels[found.labels >= 0]
        n_units = torch.bincount(of_train, minlength=len(labels)).tolist()
        rows += [
            Row("corpus", "label_units", float(n), split=split, label=name)
            for name, n in zip(labels, n_units, strict=True)
        ]
    return rows
