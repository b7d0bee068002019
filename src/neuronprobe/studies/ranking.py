"""What a ranking says: its first neurons, their layers, neurons per label (EMNLP 2020 figures 1-2; AAAI 2019 fn. 8)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from jaxtyping import Float
from torch import Tensor

from neuronprobe.neurons import NeuronTable, size, top
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, find, layer_name, neuron_name, plain
from neuronprobe.studies.trained import Trained
from neuronprobe.types import Ranking, Result, Row

LABEL_MASS = 0.25
"""The share of a label's weight mass whose neurons are its salient set (AAAI 2019 footnote 8)."""
MASSES = (0.01, 0.02, 0.05, 0.10, 0.25, 0.50, 1.0)
SHOWN = 10
RARE = 20
"""With fewer units in train a label's neurons say little."""
Confidence = Mapping[int, Float[Tensor, " neuron"]]
"""For each k the share of resamples in which each neuron is in the top k."""
Columns = Mapping[str, Sequence[str]]
"""What else is told of each neuron (flat index)."""


def ranking(
    trained: Trained, salient: int | float, confidence: Confidence | None = None, columns: Columns | None = None
) -> Result:
    """The ten most salient neurons, salient neurons per layer, neurons per label, cut-offs and what is to be known.

    Only earned neurons are salient: counts stop there. Files: ranking.csv and ranking_by_label.csv of the primary
    ranking, ranking_NAME.csv of each other one.
    """
    k = size("callbacks.ranking.salient", salient, len(trained.table))
    rows = [row for found in trained.rankings.values() for row in _rows(found, trained, k)]
    files = {}
    for name, found in trained.rankings.items():
        own = (confidence, columns) if name == trained.primary else ()
        files["ranking.csv" if name == trained.primary else f"ranking_{name}.csv"] = neurons_csv(
            found, trained.table, trained.labels, *own
        )
    files["ranking_by_label.csv"] = labels_csv(trained.ranking, trained.table, trained.labels, LABEL_MASS)
    shown = plain(rows)
    primary = find(shown, ranking=trained.primary)
    tables = (*(_neurons_table(find(shown, ranking=name), name) for name in trained.rankings), _labels_table(primary))
    remarks = tuple(_remarks(primary, trained.primary))
    return Result(tuple(rows), {}, tables, (_layers_figure(primary),), remarks, files)


def _rows(found: Ranking, trained: Trained, k: int) -> Iterator[Row]:
    table, labels = trained.table, trained.labels

    def row(metric: str, value: int | float, **where: Any) -> Row:
        return Row("ranking", metric, float(value), ranking=found.name, **trained.about(), **where)

    shown = min(SHOWN, found.earned)
    for i, (flat, served) in enumerate(zip(found.order[:shown].tolist(), found.served(shown).T, strict=True)):
        neuron = table.neuron(flat)
        names = [labels[label] for label in served.nonzero().flatten().tolist() if len(labels) > 1]
        flags = {"rank": i + 1, "labels": names, "role": neuron.role}
        where = {"site": neuron.site, "layer": neuron.layer, "neuron": neuron.index}
        yield row(_score_name(found), float(found.score[flat]), set="top", **where, flags=flags)
    earned = min(k, found.earned)
    for segment, count in zip(table.segments, table.counts(top(found.order, earned)).tolist(), strict=True):
        where = {"site": segment.site, "layer": segment.layer, "flags": {"role": segment.role, "earned": earned}}
        yield row("salient_neurons", count, set="top", k=k, share=k / len(table), **where)
    support = trained.target.support(trained.train.units)
    for label, name in enumerate(labels):
        flags = {"mass": LABEL_MASS, "support": support[label], "massless": bool(found.massless[label])}
        yield row("label_neurons", label_neurons(found, label, LABEL_MASS), label=name, flags=flags)
    for mass in MASSES:
        yield row("neurons_at_mass", neurons_at(found, mass), flags={"mass": mass})
    yield row("first_block", found.first_block)
    yield row("earned_neurons", found.earned)
    yield row("massless_labels", int(found.massless.sum()))


def _neurons_table(rows: Sequence[PlainRow], name: str) -> Table:
    """The first neurons, and for which labels they are salient."""
    body = tuple((str(row["rank"]), neuron_name(row), ", ".join(row["labels"])) for row in _first_neurons(rows))
    (block,) = find(rows, metric="first_block")
    why = ": each is some label's heaviest" if name == "lca" else " with one score"
    notes = (f"The first {block['value']:.0f} neurons tie{why}.",) if block["value"] > 1 else ()
    header = ("rank", "(layer, index)", "salient for")
    return Table(f"Most salient neurons by {name}", header, body, notes, on_screen=False)


def _labels_table(rows: Sequence[PlainRow]) -> Table:
    body = []
    for row in find(rows, metric="label_neurons"):
        neurons = "none: no weight mass" if row["massless"] else f"{row['value']:.0f}"
        body.append((str(row["label"]), f"{row['support']:,}", neurons))
    header = ("label", "units in train", f"neurons that hold {LABEL_MASS:.0%} of its mass")
    return Table("Labels: how many neurons carry each", header, tuple(body), on_screen=False)


def _layers_figure(rows: Sequence[PlainRow]) -> Figure:
    found = find(rows, metric="salient_neurons")
    bars = Series("salient", tuple(map(layer_name, found)), tuple(row["value"] for row in found), mark="bar")
    k, earned = found[0]["k"], found[0]["earned"]
    title = f"Where the top {found[0]['share']:.0%} of the neurons lie"
    title += f" ({earned:,} of {k:,} earned)" if earned < k else ""
    return Figure("salient_neurons_per_layer", title, "layer (0 = embeddings)", "salient neurons", (bars,))


def _remarks(rows: Sequence[PlainRow], name: str) -> Iterator[str]:
    """The first neurons by name, and labels with few units among theirs."""
    found = _first_neurons(rows)
    names = [" ".join([neuron_name(row), *(["/".join(row["labels"])] * bool(row["labels"]))]) for row in found]
    yield f"most salient by {name}: {' · '.join(names)}"
    shown = {label for row in found for label in row["labels"]}
    own = [row for row in find(rows, metric="label_neurons") if row["label"] in shown and row["support"] < RARE]
    if own:
        rare = ", ".join(f"{row['label']} ({row['support']})" for row in own)
        yield f"few units in train have these labels, whose neurons say little: {rare}."


def _first_neurons(rows: Sequence[PlainRow]) -> list[PlainRow]:
    return [row for row in find(rows, set="top") if row.get("rank")]


def _score_name(found: Ranking) -> str:
    """What a score is: of LCA the mass at which a neuron becomes salient."""
    return "mass_of_heavier_neurons" if found.name == "lca" else "score"


def label_neurons(found: Ranking, label: int, mass: float) -> int:
    """How many of a label's heaviest neurons hold `mass` of its weight mass; 0 if it has none."""
    return int((found.by_label[label] < mass).sum())


def neurons_at(found: Ranking, mass: float) -> int:
    """How many neurons hold `mass` of every label's mass."""
    return int((found.by_label.min(0).values < mass).sum())


def neurons_csv(
    found: Ranking, table: NeuronTable, labels: Sequence[str], confidence: Confidence | None = None,
    columns: Columns | None = None,
) -> bytes:  # fmt: skip
    """All neurons, most salient first; `earned` is false for those behind what the ranking ordered.

    One column of confidence for each k, further `columns`, the labels in whose salient sets a neuron is, and the
    attention head where the table has any.
    """
    confidence, columns = confidence or {}, columns or {}
    has_heads = any(segment.heads is not None for segment in table.segments)
    is_salient = (found.by_label < LABEL_MASS).T
    lines = []
    for rank, flat in enumerate(found.order.tolist(), 1):
        own = [labels[label] for label in is_salient[flat].nonzero().flatten().tolist()]
        lines.append((
            rank, *_neuron(table, flat), f"{found.score[flat]:.8g}", str(rank <= found.earned).lower(),
            *(f"{c[flat]:.4g}" for c in confidence.values()), *(texts[flat] for texts in columns.values()),
            " ".join(own), *([table.neuron(flat).attention_head] if has_heads else []),
        ))  # fmt: skip
    header = (*NEURON, "score", "earned", *(f"confidence_top_{k}" for k in confidence), *columns, "labels")
    return _csv((*header, *(["attention_head"] if has_heads else [])), lines)


def labels_csv(found: Ranking, table: NeuronTable, labels: Sequence[str], mass: float) -> bytes:
    """For each label the neurons that hold `mass` of its weights, heaviest first."""
    lines = []
    for label, name in enumerate(labels):
        own = found.by_label[label]
        for rank, flat in enumerate(own.argsort(stable=True)[: label_neurons(found, label, mass)].tolist(), 1):
            lines.append((name, rank, *_neuron(table, flat), f"{own[flat]:.8g}"))
    return _csv(("label", *NEURON, "score"), lines)


NEURON = ("rank", "site", "layer", "neuron", "role")


def _neuron(table: NeuronTable, flat: int) -> tuple[str, int, int, str]:
    neuron = table.neuron(flat)
    return neuron.site, neuron.layer, neuron.index, neuron.role or ""


def _csv(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> bytes:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue().encode()
