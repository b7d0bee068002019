"""The numbers of a figure as a table, for those who do not see it or have no pointer."""

from __future__ import annotations

from neuronprobe.shown import Figure, Series, Table


def numbers(figure: Figure) -> Table:
    """A line for each x with a column for each series; of a heat map a line for each of its rows."""
    found = [series for series in figure.series if series.y]
    if figure.is_map:
        columns = tuple(dict.fromkeys(x for series in found for x in series.x))
        body = tuple((series.name, *(_cell(series, x) for x in columns)) for series in found)
        heading = f"{figure.value} by {figure.y} and {figure.x}"
        return Table(heading, (figure.y, *map(_text, columns)), body, _flags(figure))
    curves = [series for series in found if series.mark != "level"]
    places = list(dict.fromkeys(x for series in curves for x in series.x))
    places = places if any(isinstance(x, str) for x in places) else sorted(places)
    body = tuple((_text(x), *(_cell(series, x) for series in curves)) for x in places)
    levels = tuple(f"{series.name}: {_text(series.y[0])}" for series in found if series.mark == "level")
    return Table(figure.y, (figure.x, *(series.name for series in curves)), body, (*levels, *_flags(figure)))


def _cell(series: Series, x: int | float | str) -> str:
    """Its number there, with the ends of its interval or band, `*` where it is flagged."""
    if x not in series.x:
        return "-"
    i = series.x.index(x)
    low, high = (ends[i] if ends else None for ends in (series.low, series.high))
    ends = "" if low is None or high is None else f" [{_text(low)}, {_text(high)}]"
    return _text(series.y[i]) + ("*" if series.flagged and series.flagged[i] else "") + ends


def _flags(figure: Figure) -> tuple[str, ...]:
    return (f"* {figure.note}",) if any(any(series.flagged) for series in figure.series) else ()


def _text(value: int | float | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
