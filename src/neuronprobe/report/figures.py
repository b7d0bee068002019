"""Figures as Vega-Lite: one description draws the page's chart and the PNG, SVG and PDF beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert

from neuronprobe.shown import Figure, Series
from neuronprobe.writing import write_bytes

VEGA_LITE = "6.4"
COLORS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C8C8C"]
"""Okabe and Ito's, which people with any colour vision tell apart, on white and on black; grey for their black."""
MUTED = "#B8B8B8"
"""Of lines that are there for comparison, without a place in the legend."""
SHAPES = ["circle", "square", "diamond", "triangle-down", "triangle-up", "cross", "stroke"]
DASHES = [[6, 4], [2, 3], [8, 3, 2, 3]]
INK = "currentColor"
"""The colour of the text around: black in a file, the theme's on the page."""
SIZE = {"width": 440, "height": 260}
CELLS = {"width": {"step": 38}, "height": {"step": 20}}
PADDING = 8
LEGIBLE = 400
"""Cells of a heat map that have their numbers in them, at most."""
NUMBER = ".3~r"
GLOBALS = "window.vegaEmbed = vegaEmbed;"
"""What the page calls of the script."""
Spec = dict[str, Any]
CONFIG: Spec = {
    "view": {"stroke": None},
    "axis": {"labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK, "gridColor": INK,
             "gridOpacity": 0.15, "labelLimit": 240, "titleFontWeight": "normal"},
    "legend": {"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal", "labelLimit": 320, "title": None,
               "symbolOpacity": 1},
    "title": {"color": INK, "subtitleColor": INK, "fontSize": 13, "subtitleFontSize": 11, "fontWeight": "normal",
              "anchor": "start"},
}  # fmt: skip
CHOSEN: Spec = {"name": "chosen", "select": {"type": "point", "fields": ["series"]}, "bind": "legend"}
ZOOM: Spec = {
    "name": "zoom", "bind": "scales", "select": {"type": "interval", "zoom": "wheel![event.ctrlKey || event.metaKey]"},
}  # fmt: skip
"""The wheel alone scrolls the page."""


def draw(figure: Figure, folder: Path) -> None:
    """The figure as PNG, SVG and PDF of its name."""
    svg = vl_convert.vegalite_to_svg(chart(figure), vl_version=VEGA_LITE)
    made = {"svg": svg.encode(), "png": vl_convert.svg_to_png(svg, scale=2), "pdf": vl_convert.svg_to_pdf(svg)}
    for ending, content in made.items():
        write_bytes(folder / f"{figure.name}.{ending}", content)


@cache
def library() -> str:
    """The script that draws charts in a page; kept on this machine, since bundling it takes seconds."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neuronprobe"
    path = home / f"vega-{VEGA_LITE}-{version('vl-convert-python')}.js"
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        script = vl_convert.javascript_bundle(GLOBALS, vl_version=VEGA_LITE)
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_bytes(path, script.encode())
    except OSError:
        return script  # where nothing can be kept the seconds are spent again
    return script


def chart(figure: Figure, on_page: bool = False) -> Spec:
    """The Vega-Lite description; the page gives a chart its width, title and background."""
    about: Spec = {"background": None} if on_page else {"background": "white", "title": _title(figure)}
    size: Spec = CELLS if figure.is_map else {**SIZE, **({"width": "container"} if on_page else {})}
    layers = list(_cells(figure) if figure.is_map else _layers(figure))
    return {
        "description": figure.title, **about, **size, "layer": layers, "config": CONFIG,
        "resolve": {"scale": {"strokeDash": "independent"}},
    }  # fmt: skip


def _title(figure: Figure) -> Spec:
    return {"text": figure.title, "subtitle": figure.note}


def _layers(figure: Figure) -> Iterator[Spec]:
    """Curves, bars and levels over the same axes."""
    axes = {
        "x": _x(figure),
        "y": {"field": "y", "type": "quantitative", "title": figure.y, "scale": _y_scale(figure)},
    }  # fmt: skip
    for mark, drawn in (("line", _curves), ("bar", _bars), ("level", _levels)):
        points = _points(figure, mark)
        if points:
            yield from ({"data": {"values": points}, **layer} for layer in drawn(figure, axes))


def _curves(figure: Figure, axes: Spec) -> Iterator[Spec]:
    """A band, a line and points for each series; a name in the legend shows its series alone."""
    on = {**axes, "color": _by_series(figure, "line", COLORS, MUTED)}
    dim = {"opacity": {"condition": {"param": "chosen", "value": 1}, "value": 0.1}}
    if any(end is not None for series in figure.series for end in series.low):
        band = {"y": {**axes["y"], "field": "low"}, "y2": {"field": "high"}}
        yield {"mark": {"type": "area", "opacity": 0.18, "aria": False}, "encoding": {**on, **band},
               "transform": [{"filter": "isValid(datum.low)"}]}  # fmt: skip
    yield {"mark": {"type": "line", "aria": False}, "encoding": {**on, **dim}, "params": [CHOSEN, ZOOM]}
    fill = {**on["color"], "condition": {"test": "datum.flagged", "value": "white"}}
    shape = _by_series(figure, "line", SHAPES, SHAPES[0])
    yield {"mark": {"type": "point", "size": 45, "opacity": 1},
           "encoding": {**on, "shape": shape, "fill": fill, "tooltip": _tooltip(figure), **dim}}  # fmt: skip


def _bars(figure: Figure, axes: Spec) -> Iterator[Spec]:
    """Bars side by side, with their ends and their numbers."""
    on = {**axes, "xOffset": {"field": "series", "sort": None}}
    yield {"mark": "bar", "encoding": {**on, "color": _by_series(figure, "bar", COLORS), "tooltip": _tooltip(figure)}}
    if any(end is not None for series in figure.series for end in series.low):
        ends = {**on, "y": {**axes["y"], "field": "low"}, "y2": {"field": "high"}}
        whole = [{"filter": "isValid(datum.low)"}]
        yield {"mark": {"type": "rule", "color": INK, "aria": False}, "encoding": ends, "transform": whole}
    outer = {**on, "y": {**axes["y"], "field": "end"}, "text": {"field": "y", "type": "quantitative", "format": NUMBER}}
    text = {"type": "text", "dy": {"expr": "datum.y < 0 ? 8 : -7"}, "color": INK, "fontSize": 10, "aria": False}
    end = "datum.y < 0 ? (isValid(datum.low) ? datum.low : datum.y) : (isValid(datum.high) ? datum.high : datum.y)"
    yield {"mark": text, "encoding": outer, "transform": [{"calculate": end, "as": "end"}]}


def _levels(figure: Figure, axes: Spec) -> Iterator[Spec]:
    """Lines across, told apart by their dashes."""
    dash = _by_series(figure, "level", DASHES)
    tooltip = [{"field": "series", "title": " "}, {"field": "y", "title": figure.y, "format": NUMBER}]
    yield {"mark": {"type": "rule", "color": INK}, "encoding": {"y": axes["y"], "strokeDash": dash, "tooltip": tooltip}}


def _cells(figure: Figure) -> Iterator[Spec]:
    """Coloured cells with their numbers, the flagged ones framed."""
    points = _points(figure, "cell")
    data, known = {"values": points}, [point["y"] for point in points]
    on = {"x": _x(figure), "y": {"field": "series", "type": "ordinal", "sort": None, "title": figure.y}}
    color = {"field": "y", "type": "quantitative", "scale": {"scheme": "cividis"},
             "legend": {"title": figure.value, "format": NUMBER}}  # fmt: skip
    tooltip = [{"field": "series", "title": figure.y}, {"field": "x", "title": figure.x},
               {"field": "y", "title": figure.value, "format": NUMBER}]  # fmt: skip
    yield {"data": data, "mark": "rect", "encoding": {**on, "color": color, "tooltip": tooltip}}
    framed = {"type": "rect", "filled": False, "stroke": COLORS[3], "strokeWidth": 3, "aria": False}
    yield {"data": data, "transform": [{"filter": "datum.flagged"}], "mark": framed, "encoding": on}
    if known and len(points) <= LEGIBLE:
        middle = (min(known) + max(known)) / 2
        ink = {"condition": {"test": f"datum.y < {middle}", "value": "white"}, "value": "black"}
        text = {"field": "y", "type": "quantitative", "format": NUMBER}
        written = {"type": "text", "fontSize": 9, "aria": False}
        yield {"data": data, "transform": [{"filter": "datum.y != 0"}], "mark": written,
               "encoding": {**on, "text": text, "color": ink}}  # fmt: skip


def _points(figure: Figure, mark: str) -> list[Spec]:
    """What was measured: a record for each x of each series."""
    found = (point for series in figure.series if series.mark == mark for point in _records(series))
    return [point for point in found if point["y"] is not None]


def _records(series: Series) -> Iterator[Spec]:
    n = len(series.y)
    x, low, high = (list(own) or [None] * n for own in (series.x, series.low, series.high))
    flagged = list(series.flagged) or [False] * n
    for i, y in enumerate(series.y):
        yield {"series": series.name, "x": x[i], "y": y, "low": low[i], "high": high[i], "flagged": flagged[i]}


def _x(figure: Figure) -> Spec:
    """Numbers on a line, names side by side in their own order."""
    x: Spec = {"field": "x", "title": figure.x}
    values = [one for series in figure.series for one in series.x]
    if any(isinstance(one, str) for one in values) or any(series.mark == "bar" for series in figure.series):
        angle = 0 if max(len(str(one)) for one in values) < 4 else -45
        return {**x, "type": "ordinal", "sort": None, "axis": {"labelAngle": angle}}
    if figure.log:
        axis: Spec = {"values": sorted(set(values)), "format": ".2~r"}
        return {**x, "type": "quantitative", "scale": {"type": "log", "nice": False, "padding": PADDING}, "axis": axis}
    axis = {"tickMinStep": 1} if all(isinstance(one, int) for one in values) else {}
    return {**x, "type": "quantitative", "scale": {"zero": False, "padding": PADDING}, "axis": axis}


def _y_scale(figure: Figure) -> Spec:
    if figure.limits:
        return {"domain": list(figure.limits), "nice": False, "padding": PADDING}  # marks at its ends are whole
    has_bars = any(series.mark == "bar" for series in figure.series)
    return {"zero": True} if has_bars else {"zero": False, "padding": PADDING}


def _by_series(figure: Figure, mark: str, looks: list[Any], muted: Any = None) -> Spec:
    """What tells the series of one mark apart, by their order; a legend where there are several. Muted ones share a
    look.
    """
    own = [series for series in figure.series if series.mark == mark]
    told = [series.name for series in own if not series.muted]
    look = {one.name: muted if one.muted else looks[told.index(one.name) % len(looks)] for one in own if one.y}
    scale = {"domain": list(look), "range": list(look.values())}
    legend: Spec | None = {"symbolSize": 700} if mark == "level" else {}  # as long as two dashes
    if len(told) < len(own):
        legend = {"values": told}
    elif len(look) <= 1 and mark != "level":
        legend = None
    return {"field": "series", "type": "nominal", "scale": scale, "legend": legend}


def _tooltip(figure: Figure) -> list[Spec]:
    x: Spec = {"field": "x", "title": figure.x}
    if _x(figure)["type"] == "quantitative":
        x |= {"type": "quantitative", "format": NUMBER}
    banded = any(series.low for series in figure.series)
    numbers = [("y", figure.y), *([("low", "from"), ("high", "to")] if banded else [])]
    found = [{"field": field, "title": title, "type": "quantitative", "format": NUMBER} for field, title in numbers]
    return [{"field": "series", "title": " "}, x, *found]
