"""Tables as Markdown, LaTeX (booktabs) and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader

from neuronprobe.report.figures import chart, library
from neuronprobe.report.numbers import numbers
from neuronprobe.shown import Figure, Table

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "*": "{*}", "±": r"$\pm$", "−": r"$-$", "×": r"$\times$", "→": r"$\to$",
    "≥": r"$\geq$", "≤": r"$\leq$", "≈": r"$\approx$", "λ": r"$\lambda$", "μ": r"$\mu$", "σ": r"$\sigma$",
}  # fmt: skip
"""What LaTeX takes for its own; [ and * too, where a line begins with them behind the end of another."""
LONGEST = 20
"""Lines of a table that a page shows without being asked."""


def markdown(title: str, tables: Sequence[Table]) -> str:
    """A page with a heading for each table."""
    return "\n".join([f"# {title}", *(line for table in tables for line in section(table))]) + "\n"


def latex(title: str, tables: Sequence[Table]) -> str:
    r"""Tables for \input, with \usepackage{booktabs}; names in other scripts than Latin need LuaLaTeX."""
    return "\n".join([f"% {title}; needs booktabs", *(line for table in tables for line in _tabular(table))]) + "\n"


def html(title: str, tables: Sequence[Table], figures: Sequence[Figure] = (), **about: Any) -> str:
    """One page that needs nothing else: charts, tables, light and dark.

    `about` may hold verdict, remarks, legend, links (names and addresses), sections (of text, by heading), and neurons
    (a fragment) or why it is without.
    """
    charts = {figure.name: chart(figure, on_page=True) for figure in figures}
    settings = Environment(loader=PackageLoader("neuronprobe.report", "."), autoescape=True, trim_blocks=True)
    return settings.get_template("page.html").render(
        title=title, tables=tables, longest=LONGEST, figures=figures, charts=charts, numbers=numbers,
        library=library() if charts else "", **about,
    )  # fmt: skip


def section(table: Table) -> Iterator[str]:
    """A table as Markdown, below its heading."""
    yield f"\n## {table.heading}\n"
    yield f"| {' | '.join(table.header)} |"
    yield f"|{'---|' * len(table.header)}"
    for line in table.body:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
    yield from (f"\n{note}" for note in table.notes)


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
