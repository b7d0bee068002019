"""The oracle: a probe with all neurons (EMNLP 2020 section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from neuronprobe.probes import score
from neuronprobe.studies.cells import PlainRow, find, first, metric_name, percent, plain
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.trained import Trained
from neuronprobe.targets import Scored
from neuronprobe.types import Result, Row, Table

SKEWED = 0.5
"""With more of the units one label makes accuracy flatter."""


def oracle(trained: Trained) -> Result:
    """All metrics of the chosen probe on dev and test (of labels also F1 of each); intervals on test."""
    rows: list[Row] = []
    correct = {}
    for name, split in trained.held_out.items():
        found = score([trained.probe], split, predictions=name == "test")
        about = trained.about(mode="trained", set="all", split=name, k=len(trained.table), share=1.0)
        for metric in trained.target.metrics:
            rows.append(_row(found, metric, about, trained.seed if name == "test" else None))
        support = trained.target.support(split.units)
        rows += [
            Row("oracle", metric, float(values[0, i]), label=label, flags={"support": support[i]}, **about)
            for metric, values in found.by_label().items() for i, label in enumerate(trained.labels) if support[i]
        ]  # fmt: skip
        if name == "test":
            parts = found.score(trained.target.metrics[0])
            correct = {trained.target.denominator: parts.denominator, "oracle": parts.numerator[0]}
    return Result(tuple(rows), correct, tuple(_tables(plain(rows))), remarks=tuple(_remarks(trained, plain(rows))))


def _tables(rows: Sequence[PlainRow]) -> Iterator[Table]:
    """The whole probe's scores, and F1 of each label on test."""
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
    if not by_label:
        return
    labels = tuple((row["label"], f"{row['support']:,}", percent(row)) for row in by_label)
    yield Table("Labels: F1 with all neurons, on test, %", ("label", "units in test", "F1"), labels, on_screen=False)


def _remarks(trained: Trained, rows: Sequence[PlainRow]) -> Iterator[str]:
    """A warning where one label has most units and accuracy is what was compared."""
    f1 = first(rows, metric="macro_f1", split="test")
    if trained.metric != "accuracy" or f1 is None:
        return
    most = int(torch.bincount(trained.train.units.labels).argmax())
    share = float((trained.splits["test"].units.labels == most).double().mean())
    if share > SKEWED:
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
