"""Portraits for a page: a fragment with its own style and script, searched by neuron, word and label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from neuronprobe.portraits.portrait import Portrait, Side, TintedSentence, TopWord

STRONGEST = 4.0
"""The |z| from which on a word has the full colour."""

STYLE = """
.neurons input{font:inherit;padding:.4em .6em;width:100%;max-width:24em;box-sizing:border-box}
.neurons details{border-top:1px solid #8886;padding:.4em 0}
.neurons summary{cursor:pointer}
.neurons .sides{display:flex;flex-wrap:wrap;gap:0 2em}
.neurons .side{flex:1 1 20em;min-width:0}
.neurons table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.neurons th,.neurons td{text-align:start;padding:.1em .7em .1em 0}
.neurons th,.neurons .label{white-space:nowrap}
.neurons caption{text-align:start;padding-top:.8em;font-style:italic}
.neurons h4{margin:.8em 0 0}
.neurons td.number,.neurons th.number{text-align:end}
.neurons .scroll{overflow-x:auto}
.neurons mark{color:inherit;border-radius:.2em;padding:0 .1em}
.neurons mark.up{background:light-dark(rgb(237 139 52 / var(--z)),rgb(165 72 5 / var(--z)))}
.neurons mark.down{background:light-dark(rgb(112 170 240 / var(--z)),rgb(38 100 190 / var(--z)))}
@media print{.neurons search{display:none}}
"""
SCRIPT = """
(() => {
  const room = document.currentScript.closest(".neurons");
  const field = room.querySelector("input"), count = room.querySelector("output");
  const all = [...room.querySelectorAll("details")];
  const show = () => {
    const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const one of all) {
      const known = one.dataset.search.split("\\u0001");
      one.hidden = !words.every(word => known.some(name => name.startsWith(word)));
      shown += !one.hidden;
    }
    count.textContent = shown + " of " + all.length;
  };
  field.addEventListener("input", show);
  show();
})();
"""


def fragment(portraits: Sequence[Portrait]) -> str:
    """A `<section class="neurons">` that needs nothing else; without scripts it shows all, folded."""
    return "".join(_section(portraits))


def page(portraits: Sequence[Portrait]) -> str:
    """The fragment as a file of its own, in the reader's light or dark."""
    look = "<style>:root{color-scheme:light dark;font-family:system-ui,sans-serif;line-height:1.4}</style>"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Neurons</title>{look}'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{fragment(portraits)}</body></html>\n'


def _section(portraits: Sequence[Portrait]) -> Iterator[str]:
    yield f'<section class="neurons"><style>{STYLE}</style>'
    yield '<search><label>Find a neuron (3:17), a word or a label <input type="search"></label> '
    yield '<output aria-live="polite"></output></search>'
    yield '<p><mark class="up" style="--z:.6">excites</mark> <mark class="down" style="--z:.6">inhibits</mark> '
    yield f"Numbers are z-scores; a word of |z| ≥ {STRONGEST:g} has the full colour.</p>"
    for portrait in portraits:
        yield from _portrait(portrait)
    yield f"<script>{SCRIPT}</script></section>"


def _portrait(portrait: Portrait) -> Iterator[str]:
    rank = f", rank {portrait.rank}" if portrait.rank else ""
    yield f'<details data-search="{escape(_searched(portrait))}"><summary><b>{escape(portrait.name)}</b>{rank}: '
    yield " ".join(_first(kind, side) for kind, side in (("up", portrait.excites), ("down", portrait.inhibits)))
    yield '</summary><div class="sides">'
    yield from _side("Excited by", "by maximum", portrait.excites)
    yield from _side("Inhibited by", "by minimum", portrait.inhibits)
    yield "</div></details>"


def _first(kind: str, side: Side) -> str:
    """The first words of a side, tinted, on the line that is there without being asked for."""
    words = ", ".join(_isolated(top.word) for top in side.by_mean[:3])
    return f'<mark class="{kind}" style="--z:.35">{words}</mark>' if words else ""


def _side(title: str, extreme: str, side: Side) -> Iterator[str]:
    yield f'<div class="side"><h4>{title}</h4>'
    if side.labels:
        shares = ", ".join(
            f'<span class="label">{escape(label)} {100 * share:.0f} %</span>' for label, share in side.labels.items()
        )
        yield f"<p>Labels of its top words: {shares}</p>"
    for caption, words in (("by mean |z|", side.by_mean), (extreme, side.by_extreme)):
        yield from _words(caption, words)
    yield from map(_sentence, side.sentences)
    yield "</div>"


def _words(caption: str, words: Sequence[TopWord]) -> Iterator[str]:
    yield f'<div class="scroll"><table><caption>{caption}</caption><tr><th>word</th><th>label</th>'
    yield "".join(f'<th class="number">{head}</th>' for head in ("times", "mean", "mean |z|", "furthest")) + "</tr>"
    for top in words:
        numbers = (f"{top.count:,}", f"{top.mean:+.2f}", f"{top.magnitude:.2f}", f"{top.extreme:+.2f}")
        cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
        yield f"<tr><td>{_isolated(top.word)}</td><td>{escape(top.label or '')}</td>{cells}</tr>"
    yield "</table></div>"


def _sentence(sentence: TintedSentence) -> str:
    """Each word tinted by its z; the direction is that of the text."""
    words = " ".join(_tinted(word, score) for word, score in zip(sentence.words, sentence.scores, strict=True))
    return f'<p dir="auto">{words}</p>'


def _tinted(word: str, score: float) -> str:
    strength = min(1.0, abs(score) / STRONGEST)
    side = "up" if score > 0 else "down"
    return f'<mark class="{side}" style="--z:{strength:.2f}" title="{score:+.2f}">{escape(word)}</mark>'


def _isolated(word: str) -> str:
    return f"<bdi>{escape(word)}</bdi>"


def _searched(portrait: Portrait) -> str:
    """All that finds it: its name, its words, their labels."""
    sides = (portrait.excites, portrait.inhibits)
    words = [top.word for side in sides for top in (*side.by_mean, *side.by_extreme)]
    labels = [label for side in sides for label in side.labels]
    return "\x01".join(dict.fromkeys(text.lower() for text in (portrait.name, *words, *labels)))
