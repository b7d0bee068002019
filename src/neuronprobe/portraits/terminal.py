"""Portraits for a terminal: tables of words, tinted sentences; without colours scores stand behind the words."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import bidirectional

from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from neuronprobe.portraits.html import STRONGEST
from neuronprobe.portraits.portrait import Portrait, Side, TintedSentence, TopWord

COLOURS = {True: (230, 97, 1), False: (38, 110, 200)}
"""Of what excites, and of what inhibits."""
FAR_OUT = 1.5
"""The |z| from which on a score is written where there are no colours."""
ISOLATE, POP = "\u2068", "\u2069"
"""Around a word that is written from right to left, so that it does not turn its line."""


def print_portraits(console: Console, portraits: Sequence[Portrait]) -> None:
    """All portraits, one below the other."""
    for portrait in portraits:
        console.print(_portrait(portrait, console.color_system is not None))


def _portrait(portrait: Portrait, has_colours: bool) -> RenderableType:
    rank = f", rank {portrait.rank:,}" if portrait.rank else ""
    title = f"{portrait.name} {portrait.neuron}{rank}: mean {portrait.mean:.3g}, deviation {portrait.deviation:.3g}"
    parts: list[RenderableType] = [Text(title, style="bold")]
    parts += _side("excites", "by maximum", portrait.excites, has_colours)
    parts += _side("inhibits", "by minimum", portrait.inhibits, has_colours)
    return Group(*parts, Text())


def _side(what: str, extreme: str, side: Side, has_colours: bool) -> list[RenderableType]:
    table = Table(
        Column(f"{what} by mean |z|"), Column("label"), Column("times", justify="right"),
        Column("mean z", justify="right"), Column(extreme), Column("label"), Column("z", justify="right"),
    )  # fmt: skip
    for i in range(max(len(side.by_mean), len(side.by_extreme))):
        table.add_row(*_by_mean(side.by_mean[i : i + 1]), *_by_extreme(side.by_extreme[i : i + 1]))
    shares = ", ".join(f"{label} {100 * share:.0f} %" for label, share in side.labels.items())
    labels = [Text(f"labels of the words by mean: {shares}")] if shares else []
    return [table, *labels, *(_sentence(sentence, has_colours) for sentence in side.sentences)]


def _by_mean(words: Sequence[TopWord]) -> list[Text]:
    cells = [[top.word, top.label or "", f"{top.count:,}", f"{top.mean:+.2f}"] for top in words] or [[""] * 4]
    return [Text(_isolated(cells[0][0])), *map(Text, cells[0][1:])]


def _by_extreme(words: Sequence[TopWord]) -> list[Text]:
    cells = [[top.word, top.label or "", f"{top.extreme:+.2f}"] for top in words] or [[""] * 3]
    return [Text(_isolated(cells[0][0])), *map(Text, cells[0][1:])]


def _sentence(sentence: TintedSentence, has_colours: bool) -> Text:
    found = Text("  ")
    for word, score in zip(sentence.words, sentence.scores, strict=True):
        if has_colours:
            found.append(word, style=_tint(score))  # the terminal turns what is written from right to left
        else:
            found.append(word + (f"({score:+.1f})" if abs(score) >= FAR_OUT else ""))
        found.append(" ")
    return found


def _tint(score: float) -> str:
    """Black on a colour between white and the side's own."""
    strength = min(1.0, abs(score) / STRONGEST)
    red, green, blue = (round(255 + (own - 255) * strength) for own in COLOURS[score > 0])
    return f"black on rgb({red},{green},{blue})"


def _isolated(word: str) -> str:
    is_turned = any(bidirectional(letter) in ("R", "AL") for letter in word)
    return f"{ISOLATE}{word}{POP}" if is_turned else word
