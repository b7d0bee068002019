"""Layer-wise probes (TRANS 2021 section 4), and probes on the concatenation of layers 0..i.

The concatenations are those of the layer selector of "Analyzing Redundancy in Pretrained Transformer Models" (Dalvi et
al., EMNLP 2020), section 6.1, which takes the lowest i that is good enough; here all of them are reported, none chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from neuronprobe.neurons import Neurons, NeuronTable
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.cells import PlainRow, find, hundred, metric_name, percent, plain
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.trained import Trained
from neuronprobe.targets import Score
from neuronprobe.types import Result, Row

KINDS = {"one_layer": "this layer alone", "layers_up_to": "all layers up to it"}


@dataclass(frozen=True)
class LayerSet:
    """The neurons of one layer (`one_layer`) or of all layers up to it (`layers_up_to`), all roles and sites."""

    name: str
    layer: int
    neurons: Neurons

    def __str__(self) -> str:
        return f"{self.name}-{self.layer}"


def layer_sets(table: NeuronTable) -> list[LayerSet]:
    """Both sets for each layer, lowest first."""
    layer_of = torch.tensor([segment.layer for segment in table.segments])[table.segment_of]
    layers = layer_of.unique().tolist()
    alone = [LayerSet("one_layer", layer, (layer_of == layer).nonzero().flatten()) for layer in layers]
    return alone + [LayerSet("layers_up_to", layer, (layer_of <= layer).nonzero().flatten()) for layer in layers]


def layers(trained: Trained) -> Result:
    """What every layer alone and every concatenation reach, with the λ of the chosen probe; one bank for each kind.

    The concatenations are what the redundancy paper's layer selector (EMNLP 2020, section 6.1) chooses from.
    `accuracy_difference` (of values `r2_difference`) is against all layers (the last concatenation), paired.
    """
    sets = layer_sets(trained.table)
    half = len(sets) // 2
    kinds = ([chosen.neurons for chosen in own] for own in (sets[:half], sets[half:]))
    probes = [probe for kind in kinds for probe in trained.retrain(kind)]
    rows, correct = [], {}
    for name, scored in trained.scored(probes).items():
        about = trained.about(mode="retrained", split=name)
        found = scored.score(trained.target.metrics[0])
        rows += _rows(sets, found, Bootstrap(found.denominator, trained.seed), len(trained.table), about)
        if name == "test":
            correct = {f"layers/{chosen}": found.numerator[i] for i, chosen in enumerate(sets)}
    shown = find(plain(rows), metric=trained.target.metrics[0], split="test")
    return Result(tuple(rows), correct, (_table(shown),), (_figure(shown),))


def _table(rows: Sequence[PlainRow]) -> Table:
    alone, together = (find(rows, set=name) for name in KINDS)
    body = tuple((str(one["layer"]), percent(one), percent(up_to)) for one, up_to in zip(alone, together, strict=True))
    heading = "Layers: probes on one layer, and on all layers up to it, on test, %"
    return Table(heading, ("layer", "alone", "0..i"), body, on_screen=False)


def _figure(rows: Sequence[PlainRow]) -> Figure:
    series = []
    for name, title in KINDS.items():
        own = find(rows, set=name)
        low, value, high = (tuple(hundred(row[key]) for row in own) for key in ("low", "value", "high"))
        series.append(Series(title, tuple(row["layer"] for row in own), value, low, high))
    title = "Probes on layers, retrained (bands: 95 % intervals)"
    y = f"{metric_name(rows[0]['metric'])} on test, %"
    return Figure("layers", title, "layer (0 = embeddings)", y, tuple(series))


def _rows(
    sets: Sequence[LayerSet], found: Score, bootstrap: Bootstrap, n_neurons: int, about: Mapping[str, Any]
) -> list[Row]:
    rows, values = [], found.value
    whole = len(sets) - 1
    for i, (chosen, ends) in enumerate(zip(sets, bootstrap.ends(found.numerator).tolist(), strict=True)):
        k = len(chosen.neurons)
        own: dict[str, Any] = {**about, "set": chosen.name, "layer": chosen.layer, "k": k, "share": k / n_neurons}
        rows.append(Row("layers", found.metric, float(values[i]), low=ends[0], high=ends[1], **own))
        if i != whole:
            low, high = bootstrap.ends(found.numerator[i : i + 1] - found.numerator[whole:])[0].tolist()
            gain, flags = float(values[i] - values[whole]), {"against": "all layers"}
            rows.append(Row("layers", f"{found.metric}_difference", gain, low=low, high=high, flags=flags, **own))
    return rows
