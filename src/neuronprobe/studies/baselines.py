"""What a split is made of, and what can be predicted without any neuron."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Real
from torch import Tensor

from neuronprobe.activations import Split
from neuronprobe.probes import Probe
from neuronprobe.shown import Table
from neuronprobe.studies.cells import PlainRow, find, first, metric_name, percent, plain
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.vocabulary import vocabulary_text
from neuronprobe.targets import Target
from neuronprobe.types import Row, Units

SHOWN = ("sentences", "words", "labels", "value_mean", "value_deviation")
"""What the table says of each split, where it is known."""


def corpus_summary(target: Target, units: Mapping[str, Units], words: Mapping[str, int]) -> list[Row]:
    """Sentences, words, units of each split; its labels, and units whose label train lacks (or mean of its values)."""
    rows = []
    for split, found in units.items():
        counts = {"sentences": found.n_sentences, "words": words[split], "units": len(found)}
        said = {**counts, **target.composition(found)}
        rows += [Row("corpus", metric, float(value), split=split) for metric, value in said.items()]
    return rows


def baselines(target: Target, units: Mapping[str, Units], seed: int) -> list[Row]:
    """What the target's baselines reach: of labels the most frequent one of train, and the most frequent one per word
    type (else the former); of values their means.
    """
    rows: list[Row] = []
    for split, found in units.items():
        rows += _rows(target, split, found, target.baselines(units["train"], found), seed)
    return rows


def corpus_table(target: Target, rows: Sequence[Row], name: str) -> Table:
    """Each split's size and baselines; notes on units whose label, or type, train lacks."""
    found = plain(rows)
    body, notes = [], [*_without_label(found)]
    for split in dict.fromkeys(row["split"] for row in find(found, study="corpus")):
        own = find(found, split=split)
        counts = [row for metric in SHOWN for row in find(own, study="corpus", metric=metric)]
        guesses = find(own, study="baseline", metric=target.metrics[0])
        numbers = (f"{row['value']:,.{2 * row['metric'].startswith('value')}f}" for row in counts)
        body.append((split, *numbers, *(percent({**row, "low": None}) for row in guesses)))
        notes += [
            f"{split}: {row['value']:.0f} units have a label that train lacks; they are scored as wrong."
            for row in find(own, metric="units_with_a_label_train_lacks") if row["value"]
        ]  # fmt: skip
    notes += [text] if (text := vocabulary_text(found)) else []
    names = (row["metric"].replace("_", " ") for row in counts)
    of = "" if target.metrics[0] == "accuracy" else f" {metric_name(target.metrics[0])}"
    header = ("split", *names, *(f"{row['set'].replace('_', ' ')}{of} %" for row in guesses))
    return Table(name, header, tuple(body), tuple(notes))


def _without_label(rows: Sequence[PlainRow]) -> Iterator[str]:
    """How many units there are where not every word, or not every sentence, is one."""
    for row in find(rows, study="corpus", metric="units"):
        words, sentences = (
            first(rows, study="corpus", metric=name, split=row["split"]) for name in ("words", "sentences")
        )
        if words and sentences and row["value"] not in (words["value"], sentences["value"]):
            counts = [f"{one['value']:,.0f}" for one in (row, words, sentences)]
            yield f"{row['split']}: {counts[0]} units, of {counts[1]} words in {counts[2]} sentences."


def constant_probe(train: Split) -> Probe:
    """What predicts the same for all units, whatever the activations are: the target's constant baseline."""
    weights, neurons = torch.zeros(train.n_labels, 0), torch.zeros(0, dtype=torch.long)
    return Probe(weights, train.target.constant_outputs(train.units.labels), neurons)


def _rows(
    target: Target, split: str, units: Units, predicted: Mapping[str, Real[Tensor, " unit"]], seed: int
) -> Iterator[Row]:
    scoring = target.bank_score(len(predicted), units.n_sentences, keep=bool(target.more_metrics))
    scoring.add(torch.stack([*predicted.values()], dim=1), units.labels, units.sentences)
    scored, first = scoring.scored(units), target.metrics[0]
    ends = [(None, None)] * len(predicted)
    if split == "test":
        score = scored.score(first)
        ends = Bootstrap(score.denominator, seed).ends(score.numerator).tolist()
    for i, name in enumerate(predicted):
        where: dict[str, Any] = {"set": name, "split": split}
        for metric in (*target.metrics, *target.more_metrics):
            low, high = ends[i] if metric == first else (None, None)
            yield Row("baseline", metric, float(scored.values(metric)[i]), low=low, high=high, **where)
