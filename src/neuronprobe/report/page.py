"""A job on one page, made of the tables and figures that its studies left: report.html, and report.md as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from omegaconf import OmegaConf

from neuronprobe.jobs import Job
from neuronprobe.portraits import fragment
from neuronprobe.report.figures import draw
from neuronprobe.report.formats import html, section
from neuronprobe.report.papers import paper_table
from neuronprobe.shown import Table
from neuronprobe.writing import write_bytes

NO_VERDICT = "No verdict."
LEGEND = (
    "Scores are in percent, accuracies micro. [ ] are 95 % intervals over test sentences and, where random sets "
    "are in a number, over their draws; ( ) behind a mean is the number of draws."
)
COMMAND = "python -m neuronprobe.neurons JOB"
OLD = "This job was written before studies kept their tables and figures: its numbers are the rows of results.json."


def write_report(job: Job) -> Path:
    """Write report.html and report.md with their figures into a job's folder, from what its results.json holds."""
    for figure in job.figures:
        draw(figure, job.folder)
    write_bytes(job.folder / "report.md", ("\n".join(_text(job)) + "\n").encode())
    return write_bytes(job.folder / "report.html", page(job).encode())


def page(job: Job) -> str:
    """The HTML page."""
    results = job.results
    about = {key: results.get(key) for key in ("versions", "git", "seconds", "fingerprint")}
    sections = {
        "Settings": OmegaConf.to_yaml(OmegaConf.create(dict(job.config))),
        "Versions, seconds, fingerprints": json.dumps(about, indent=1, ensure_ascii=False),
    }
    return html(
        _title(job), _tables(job), job.figures, verdict=job.verdict or NO_VERDICT, legend=LEGEND,
        remarks=[*_old(job), *map(_sentence, job.remarks)], sections=sections,
        neurons=fragment(job.portraits) if job.portraits else "", without=_without_neurons(job),
    )  # fmt: skip


def _text(job: Job) -> Iterator[str]:
    results = job.results
    yield f"# {_title(job)}\n"
    yield f"{job.verdict or NO_VERDICT}\n"
    yield from (f"{_sentence(remark)}\n" for remark in job.remarks)
    yield LEGEND
    yield from (f"\n{remark}" for remark in _old(job))
    yield from (f"\n![{figure.title}]({quote(figure.name)}.png)" for figure in job.figures)
    for table in _tables(job):
        yield from section(table)
    seconds = ", ".join(f"{stage} {s:.1f}" for stage, s in (results.get("seconds") or {}).items())
    versions = ", ".join(f"{package} {version}" for package, version in (results.get("versions") or {}).items())
    yield f"\nSeconds: {seconds}. Versions: {versions}."


def _title(job: Job) -> str:
    return str(job.results.get("title") or "A job")


def _sentence(remark: str) -> str:
    return f"{remark[:1].upper()}{remark[1:]}"


def _old(job: Job) -> list[str]:
    return [] if "figures" in job.results else [OLD]


def _without_neurons(job: Job) -> str:
    """Why the page shows no neurons, where it shows none."""
    if (job.config.get("activations") or {}).get("live"):
        return "No neurons are shown: the activations of the job were live; with activations=store they are."
    return f"No neurons are shown: no study left portraits.json; {COMMAND} shows those of a store."


def _tables(job: Job) -> list[Table]:
    beside = paper_table(job.rows, job.config)
    return [*job.tables, *([beside] if beside else [])]
