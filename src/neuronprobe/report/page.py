"""report.md: a job on one page, made of the tables and figures that its studies left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from neuronprobe.jobs import Job
from neuronprobe.report.figures import draw
from neuronprobe.report.papers import paper_table
from neuronprobe.types import Table

OLD = "This job was written before studies kept their tables and figures: its numbers are the rows of results.json."


def write_report(job: Job) -> Path:
    """Write report.md with its figures into a job's folder, from what its results.json holds."""
    for figure in job.figures:
        draw(figure, job.folder / f"{figure.name}.png")
    path = job.folder / "report.md"
    path.write_text("\n".join(_page(job)) + "\n", encoding="utf-8")
    return path


def _page(job: Job) -> Iterator[str]:
    results = job.results
    yield f"# {results.get('title') or 'A job'}\n"
    yield f"{job.verdict or 'No verdict.'}\n"
    yield from (f"{remark[0].upper()}{remark[1:]}\n" for remark in job.remarks)
    yield (
        "Scores are in percent, accuracies micro. [ ] are 95 % intervals over test sentences and, where random sets "
        "are in a number, over their draws; ( ) behind a mean is the number of draws."
    )
    if "figures" not in results:
        yield f"\n{OLD}"
    yield from (f"\n![{figure.title}]({quote(figure.name)}.png)" for figure in job.figures)
    for table in (*job.tables, paper_table(job.rows, job.config)):
        yield from section(table) if table else ()
    seconds = ", ".join(f"{stage} {s:.1f}" for stage, s in (results.get("seconds") or {}).items())
    versions = ", ".join(f"{package} {version}" for package, version in (results.get("versions") or {}).items())
    yield f"\nSeconds: {seconds}. Versions: {versions}."


def section(table: Table) -> Iterator[str]:
    """A table as Markdown, below its heading."""
    yield f"\n## {table.heading}\n"
    yield f"| {' | '.join(table.header)} |"
    yield f"|{'---|' * len(table.header)}"
    for line in table.body:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
    yield from (f"\n{note}" for note in table.notes)
