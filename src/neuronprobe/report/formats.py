"""Tables as Markdown, LaTeX (booktabs) and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from neuronprobe.report.page import section
from neuronprobe.types import Table

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": r"$-$", "λ": r"$\lambda$",
}  # fmt: skip
STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:.25rem .75rem;"
    "text-align:left;border-bottom:1px solid #8886}"
)


def markdown(title: str, tables: Sequence[Table]) -> str:
    """A page with a heading for each table."""
    return "\n".join([f"# {title}", *(line for table in tables for line in section(table))]) + "\n"


def latex(title: str, tables: Sequence[Table]) -> str:
    r"""Tables for \input, with \usepackage{booktabs}."""
    return "\n".join([f"% {title}; needs booktabs", *(line for table in tables for line in _tabular(table))]) + "\n"


def html(title: str, tables: Sequence[Table]) -> str:
    """One self-contained page."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "".join(line for table in tables for line in _grid(table))
    return f"<!doctype html>\n<html lang=en>{head}<style>{STYLE}</style>\n<h1>{escape(title)}</h1>\n{body}</html>\n"


def _tabular(table: Table) -> Iterator[str]:
    yield r"\begin{table}" + "\n" + r"\centering"
    yield rf"\begin{{tabular}}{{{'l' * len(table.header)}}}" + "\n" + r"\toprule"
    yield _line(table.header) + "\n" + r"\midrule"
    yield from (_line(cells) for cells in table.body)
    yield r"\bottomrule" + "\n" + r"\end{tabular}"
    yield rf"\caption{{{_tex(' '.join([f'{table.heading}.', *table.notes]))}}}" + "\n" + r"\end{table}"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(_tex(cell) for cell in cells) + r" \\"


def _tex(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)


def _grid(table: Table) -> Iterator[str]:
    yield f"<h2>{escape(table.heading)}</h2>\n<table><thead><tr>"
    yield "".join(f"<th scope=col>{escape(cell)}</th>" for cell in table.header) + "</tr></thead><tbody>\n"
    for line in table.body:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>\n"
    yield "</tbody></table>\n" + "".join(f"<p>{escape(note)}</p>\n" for note in table.notes)
