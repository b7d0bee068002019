"""The papers' figures beside a job's: tables 1-3 of EMNLP 2020, 2-3 of JMLR 2023, 2 and 4 of AAAI 2019, 2 of Fan et al.
2023.

Each line of papers.csv says, with the names of a result's rows, which number of which model a table gives.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from neuronprobe.shown import Table
from neuronprobe.studies.cells import PlainRow, find, first, percent

TASKS = {"xpos": "POS", "sem": "SEM", "chunk": "Chunk", "ccg": "CCG"}
"""What the papers call a property. Their POS are Penn tags, so that upos is none of theirs."""
NAMES = {
    "selectivity": "selectivity", "neurons": "neurons", "share": "share of the neurons",
    "average_overlap": "mean overlap with the others", "neuron_vote": "overlap with the others' vote",
}  # fmt: skip
LABELS = {"POS": 44, "SEM": 73, "Chunk": 22, "CCG": 1272}
"""How many labels the tasks of EMNLP 2020 have (table 4), and those of JMLR 2023 (table 8)."""
SETTINGS = {
    "emnlp2020": "batches of 512, 10 epochs, λ by the score of the trained probe, means of 3 runs",
    "jmlr2023": "batches of 512, 10 epochs, λ by the score (algorithm 2: of retrained probes), means of 3 runs",
    "aaai2019": "λ1 = λ2 = 1e-5",
    "fan2023": "a balanced probe for each tag, λ 0.01 (their code: 0.1), tops of 10, 30 and 50 of one layer's neurons",
}
"""How the papers trained: EMNLP 2020 sections 3.2 and 4, JMLR 2023 algorithm 2 as printed, AAAI 2019's LCA, Fan et al.
2023 section 4.
"""
LIKE = 0.05
"""Up to this share of theirs a number of labels counts as the same: a sample may lack a rare one."""


def paper_lines(paper: str, prop: str) -> list[dict[str, str]]:
    """The lines of one table for the task that a property is; none where the paper does not have it."""
    return [line for line in _lines(paper) if line["task"] == TASKS.get(prop)]


def properties_of(paper: str) -> list[str]:
    """The properties of which a table has figures."""
    tasks = {line["task"] for line in _lines(paper)}
    return sorted(prop for prop, task in TASKS.items() if task in tasks)


def labels_remark(rows: Sequence[PlainRow], paper: str, prop: str) -> str:
    """Both numbers of labels, where ours in train is not theirs; empty where theirs is not known."""
    theirs = LABELS.get(TASKS.get(prop, "")) if paper.startswith(("emnlp2020", "jmlr2023")) else None
    ours = first(rows, study="corpus", metric="labels", split="train")
    if theirs is None or ours is None or abs(ours["value"] - theirs) <= LIKE * theirs:
        return ""
    return f"theirs: {theirs:,} labels; here: {ours['value']:,.0f}"


def settings_line(rows: Sequence[PlainRow], config: Mapping[str, Any], paper: str) -> list[str]:
    """A name with how the paper trained, and how this job did; the latter is read from its configuration and rows."""
    probe, search, oracle = config.get("probe") or {}, config.get("search") or {}, first(rows, study="oracle")
    ours = [f"batches of {probe['batch_size']}"] if "batch_size" in probe else []
    ours += [f"{probe['epochs']} epochs"] if "epochs" in probe else []
    by = search.get("by") or str(search.get("_target_", "")).rpartition(".")[2]
    ours += [f"λ by {by}: {oracle['l1']:g}, {oracle['l2']:g}"] if oracle and by else []
    name = f"settings (theirs: {SETTINGS[paper.partition('_')[0]]})"
    return [name, f"{', '.join(ours)}; one run, seed {config.get('seed')}"]


def _lines(paper: str) -> list[dict[str, str]]:
    text = (files("neuronprobe.report") / "papers.csv").read_text(encoding="utf-8")
    return [line for line in csv.DictReader(text.splitlines()) if line["paper"] == paper]


def beside_paper(rows: Sequence[PlainRow], paper: str, prop: str) -> Iterator[list[str]]:
    """A table: header, then for each quantity ours and each model's of the paper; nothing where the paper has none."""
    lines = paper_lines(paper, prop)
    models = list(dict.fromkeys(line["model"] for line in lines))
    quantities = list(dict.fromkeys(_quantity(line) for line in lines))
    if lines:
        yield ["", "ours", *models]
    for quantity in quantities:
        theirs = {line["model"]: line for line in lines if _quantity(line) == quantity}
        ours = _shown(quantity[-1], _ours(rows, theirs[next(iter(theirs))]))
        yield [_name(quantity), ours, *(_published(theirs[m]) if m in theirs else "-" for m in models)]


def paper_table(rows: Sequence[PlainRow], config: Mapping[str, Any]) -> Table | None:
    """The paper's figures and ours; None where the configuration names no paper."""
    paper, prop = config.get("paper"), str((config.get("property") or {}).get("name"))
    if paper is None:
        return None
    remarks = [str(paper), "its own models and corpora", labels_remark(rows, str(paper), prop)]
    heading = f"Beside the paper ({'; '.join(remark for remark in remarks if remark)})"
    header, *body = [*beside_paper(rows, str(paper), prop)] or [[]]
    if not body:
        said = f"It has no figures for {prop}, only for {', '.join(properties_of(str(paper)))}."
        return Table(heading, (str(paper),), ((said,),))
    settings = settings_line(rows, config, str(paper))
    lines = [*body, settings + ["-"] * (len(header) - len(settings))]
    return Table(heading, tuple(header), tuple(map(tuple, lines)))


def _quantity(line: dict[str, str]) -> tuple[str, ...]:
    share = "" if line["metric"] == "neurons" else line["share"]
    return line["study"], line["set"], share, line["tolerance"], line["metric"]


def _name(quantity: tuple[str, ...]) -> str:
    study, which, share, tolerance, metric = quantity
    size = f" {float(share):.0%}" if share else f", tolerance {tolerance}" if tolerance else ""
    what = "" if metric == "accuracy" else f", {NAMES[metric]}"
    return f"{study.replace('_', ' ')}: {which}{size}{what}"


def _published(line: dict[str, str]) -> str:
    return f"{float(line['value']):,.0f}" if line["metric"] == "neurons" else f"{100 * float(line['value']):.1f}"


def _ours(rows: Sequence[PlainRow], line: dict[str, str]) -> PlainRow | None:
    if line["study"] == "agreement":
        return _over_sizes(find(rows, study="agreement", ranking=line["set"], metric=line["metric"]))
    metric = "neurons" if line["metric"] == "share" else line["metric"]
    if line["set"] == "random" and metric == "accuracy":
        metric = "mean_accuracy"
    found = find(rows, study=line["study"], set=line["set"], metric=metric)
    if line["set"] == "magnitude":  # the paper's set is the top of a ranking here
        found = find(rows, study=line["study"], set="top", ranking="magnitude", metric=metric)
    split = "dev" if metric == "neurons" else "test"
    found = [row for row in found if row["split"] == split and row.get("fill") in (None, "zero")]
    if line["tolerance"]:
        found = [row for row in found if row.get("tolerance") == float(line["tolerance"])]
    elif line["share"]:
        found = [row for row in found if abs(row["share"] - float(line["share"])) < 0.005]
    return first(found)


def _over_sizes(found: Sequence[PlainRow]) -> PlainRow | None:
    """The mean over sizes of the top."""
    return {**found[0], "value": sum(row["value"] for row in found) / len(found)} if found else None


def _shown(metric: str, row: PlainRow | None) -> str:
    if row is None or row["value"] is None:
        return "-"
    bound = "≤ " if row.get("steps_untried") else ""
    if metric == "neurons":
        return f"{bound}{row['value']:,.0f} ({row['share']:.0%})"
    if metric == "share":
        return f"{bound}{100 * row['share']:.1f}"
    return percent(row) + (f" (mean of {row['n_draws']} draws)" if row.get("n_draws") else "")
