"""The oracle: a probe with all neurons (EMNLP 2020 section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from neuronprobe.probes import score
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, find, first, metric_name, percent, plain
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.trained import Trained
from neuronprobe.targets import Scored
from neuronprobe.types import UNKNOWN, Result, Row

MOST_LABELS = 60
"""In the picture of what is confused."""
SKEWED = 0.5
"""With more of the units one label makes accuracy flatter; of two labels with three quarters."""


def oracle(trained: Trained) -> Result:
    """All metrics of the chosen probe on dev and test (of labels also F1 of each); intervals on test."""
    rows: list[Row] = []
    correct = {}
    predicted: Mapping[str, Tensor] = {}
    for name, split in trained.held_out.items():
        found = score([trained.probe], split, name == "test" or bool(trained.target.more_metrics))
        about = trained.about(mode="trained", set="all", split=name, k=len(trained.table), share=1.0)
        for metric in (*trained.target.metrics, *trained.target.more_metrics):
            rows.append(_row(found, metric, about, trained.seed if name == "test" else None))
        support = trained.target.support(split.units)
        rows += [
            Row("oracle", metric, float(values[0, i]), label=label, flags={"support": support[i]}, **about)
            for metric, values in found.by_label().items() for i, label in enumerate(trained.labels) if support[i]
        ]  # fmt: skip
        if name == "test":
            parts = found.score(trained.target.metrics[0])
            correct = {trained.target.denominator: parts.denominator, "oracle": parts.numerator[0]}
            predicted = found.predictions()
    shown, confusion = plain(rows), _confusion(predicted, len(trained.labels)) if predicted else None
    return Result(
        tuple(rows), correct, tuple(_tables(shown, trained.labels, confusion)),
        () if confusion is None else (_figure(confusion, trained.labels),), tuple(_remarks(trained, shown)),
        {"predicted.npz": _file(predicted, trained.labels)} if predicted else {},
    )  # fmt: skip


def _confusion(predicted: Mapping[str, Tensor], n_labels: int) -> Int[Tensor, "label predicted"]:
    """How many units of each label of train were taken for each."""
    known = predicted["label"] > UNKNOWN
    cells = predicted["label"][known] * n_labels + predicted["predicted"][known].long()
    return torch.bincount(cells, minlength=n_labels**2).view(n_labels, n_labels)


def _file(predicted: Mapping[str, Tensor], labels: Sequence[str]) -> bytes:
    """Of each test unit label, predicted label (indices of `names`) and sentence; labels that train lacks are < 0."""
    buffer = BytesIO()
    arrays: dict[str, Any] = {name: column.numpy() for name, column in predicted.items()}
    np.savez_compressed(buffer, **arrays, names=np.array(labels))
    return buffer.getvalue()


def _figure(confusion: Int[Tensor, "label predicted"], labels: Sequence[str]) -> Figure:
    """A row for each label that occurs; of many those with most units."""
    units = confusion.sum(1)
    most = units.argsort(descending=True, stable=True)[: min(MOST_LABELS, int((units > 0).sum()))].sort().values
    shares = (100 * confusion[most][:, most].double() / units[most, None]).round(decimals=1)
    names = tuple(labels[i] for i in most.tolist())
    series = tuple(
        Series(name, names, tuple(own), mark="cell") for name, own in zip(names, shares.tolist(), strict=True)
    )
    few = f" (the {MOST_LABELS} labels with most units)" if int((units > 0).sum()) > MOST_LABELS else ""
    title = f"What the units of each label are taken for, all neurons, on test{few}"
    return Figure("confusion", title, "predicted label", "label", series, "% of the label's units")


def _tables(
    rows: Sequence[PlainRow], names: Sequence[str], confusion: Int[Tensor, "label predicted"] | None
) -> Iterator[Table]:
    """The whole probe's scores, and F1 of each label on test with what it is confused with most."""
    whole = [row for row in rows if row["label"] is None]
    splits = list(dict.fromkeys(row["split"] for row in whole))
    metrics = dict.fromkeys(row["metric"] for row in whole)
    body = []
    for metric in metrics:
        own = find(whole, metric=metric)
        body.append((metric_name(metric), *(percent(first(own, split=split)) for split in splits)))
    heading = f"Oracle: all {whole[0]['k']:,} neurons, %"
    yield Table(heading, ("", *splits), tuple(body), on_screen=False)
    by_label = find(rows, metric="f1", split="test")
    if confusion is None:
        return
    most, other = (confusion - confusion.diag().diag()).max(1)
    others = [names[i] if n else "-" for n, i in zip(most.tolist(), other.tolist(), strict=True)]
    taken = dict(zip(names, others, strict=True))
    labels = tuple((row["label"], f"{row['support']:,}", percent(row), taken[row["label"]]) for row in by_label)
    header = ("label", "units in test", "F1", "most often mistaken for")
    yield Table("Labels: F1 with all neurons, on test, %", header, labels, on_screen=False)


def _remarks(trained: Trained, rows: Sequence[PlainRow]) -> Iterator[str]:
    """A warning where one label has most units and accuracy is what was compared."""
    f1 = first(rows, metric="macro_f1", split="test")
    if trained.metric != "accuracy" or f1 is None:
        return
    most = int(torch.bincount(trained.train.units.labels).argmax())
    share = float((trained.splits["test"].units.labels == most).double().mean())
    if share > max(SKEWED, 1.5 / len(trained.labels)):
        yield (
            f"the most frequent label has {100 * share:.1f} % of the test units, so accuracy flatters: the oracle's "
            f"macro-F1 is {percent(f1)}; metric=macro_f1 chooses and judges by it."
        )


def _row(found: Scored, metric: str, about: Mapping[str, Any], seed: int | None) -> Row:
    value, low, high = float(found.values(metric)[0]), None, None
    if seed is not None:
        score = found.score(metric)
        low, high = Bootstrap(score.denominator, seed).ends(score.numerator)[0].tolist()
    return Row("oracle", metric, value, low=low, high=high, **about)
