"""The numbers of a study by names that runs of different models share, for loggers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from neuronprobe.neurons import size
from neuronprobe.types import Row


def scalars(rows: Sequence[Row], primary: str | None, sizes: Mapping[int, str]) -> dict[str, float]:
    """Test scores, and what is of no split, by name: `test/ablation/top/10%/accuracy`.

    `sizes` are the shares that counts of neurons were asked for as. The primary ranking and the fill with zeros are not
    named. Draws, labels and single neurons have no name, and rows that would share one (those of a grid) neither.
    """
    named = [(_name(row, primary, sizes), row.value) for row in rows if _is_shown(row)]
    times = Counter(name for name, _ in named)
    return {name: value for name, value in named if times[name] == 1 and value is not None}


def shares(sizes: Sequence[int | float], n_neurons: int) -> dict[int, str]:
    """What each share is called, by the count of neurons that it means; counts that were asked for are not in it."""
    return {size("sizes", one, n_neurons): f"{100 * one:g}%" for one in sizes if isinstance(one, float)}


def _is_shown(row: Row) -> bool:
    is_one = row.draw is None and row.label is None and row.neuron is None
    return is_one and (row.split in ("test", None) or row.set == "all")


def _name(row: Row, primary: str | None, sizes: Mapping[int, str]) -> str:
    flags = row.flags
    ranking = None if row.ranking == primary else row.ranking
    fill = None if flags.get("fill") == "zero" else flags.get("fill")
    layer = None if row.layer is None else f"layer {row.layer}"
    site = None if row.site == "residual" else row.site
    parts = (row.split, row.study, ranking, row.set, flags.get("over"), fill, flags.get("role"), site, layer)
    return "/".join(
        str(part) for part in (*parts, _size(row, sizes), row.metric, flags.get("against")) if part is not None
    )


def _size(row: Row, sizes: Mapping[int, str]) -> str | None:
    """How many neurons: the tolerance that they were found for, or their share of all."""
    if "tolerance" in row.flags:
        return f"tolerance {row.flags['tolerance']:g}"
    if row.k is None or row.share in (None, 1) or row.layer is not None:
        return None
    return sizes.get(row.k, f"{100 * (row.share or 0):.3g}%")
