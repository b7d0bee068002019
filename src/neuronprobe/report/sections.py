"""The tables of a page that only some jobs have: one for each study that ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from neuronprobe.report.lookup import METRIC_NAMES, PlainRow, find, first, first_metric, layer_name, of_primary, percent
from neuronprobe.report.papers import beside_paper, labels_remark, properties_of, settings_line

MOST_PAIRS = 10


class Section(NamedTuple):
    """A heading and a table."""

    heading: str
    header: Sequence[str]
    body: Sequence[Sequence[str]]


def sections(rows: Sequence[PlainRow], config: Mapping[str, Any]) -> Iterator[Section]:
    """The sections of the studies that these rows hold."""
    every, rows = rows, of_primary(rows)
    found = [_stability(rows), _minimal_set(rows), _selectivity(rows), _layers(rows), _labels(rows), _sharing(rows)]
    found.append(_beside_paper(every, config))
    yield from (section for section in found if section.body)


def _stability(rows: Sequence[PlainRow]) -> Section:
    body = []
    for row in find(rows, study="stability", metric="overlap"):
        size = "first block" if row["set"] == "first_block" else f"top {100 * row['share']:.3g} %"
        mark = " (inside the first block)" if row.get("inside_first_block") else ""
        certain = first(rows, study="stability", metric="certain_neurons", k=row["k"], set=row["set"])
        shown = "-" if certain is None or row["over"] == "seeds" else f"{certain['value']:.0f}"
        cells = (percent(row), f"{100 * row['chance']:.1f}", shown)
        body.append([row["over"], f"{size} ({row['k']:,}){mark}", *cells])
    heading = "Stability: how much of the top two trainings share, %, mean [least, most] over pairs"
    header = ("over", "neurons", "overlap", "by chance", "neurons in ≥ 90 % of the resampled tops")
    return Section(heading, header, body)


def _layers(rows: Sequence[PlainRow]) -> Section:
    body = []
    about = {"study": "layers", "metric": first_metric(rows), "split": "test"}
    for row in find(rows, **about, set="one_layer"):
        up_to = first(rows, **about, set="layers_up_to", layer=row["layer"])
        body.append([str(row["layer"]), percent(row), percent(up_to)])
    return Section("Layers: probes on one layer, and on all layers up to it, on test", ("layer", "alone", "0..i"), body)


def _labels(rows: Sequence[PlainRow]) -> Section:
    salient = first(rows, study="spread", metric="neurons")
    if salient and not salient["k"]:
        said = f"No top set that was tried is within {salient['tolerance']:g} of the oracle on dev."
        return Section("Labels: no neurons count as salient", ("salient neurons",), [[said]])
    body = []
    for row in find(rows, study="spread", metric="label_neurons"):
        layer = first(rows, study="spread", metric="dominant_layer_neurons", label=row["label"])
        quarter = first(rows, study="spread", metric="mass_neurons", label=row["label"])
        support = f"{row['support']:,}" + (" (rare)" if row.get("rare") else "")
        place = f"{layer_name(layer)} ({layer['value']:.0f})" if layer and layer["value"] else "-"
        number = f"{quarter['value']:.0f}" if quarter else "-"
        body.append([row["label"], support, f"{row['value']:.0f}", number, place])
    any_row = first(rows, study="spread") or {"k": 0}
    taken = f" (the minimal set for a tolerance of {any_row['tolerance']:g})" if "tolerance" in any_row else ""
    header = ("label", "units in train", "its neurons", "neurons of 25 % of its mass", "dominant layer (its neurons)")
    left_out = f"; {any_row['not_earned']:,} more have no weight" if any_row.get("not_earned") else ""
    return Section(f"Labels: whose neurons the {any_row['k']:,} salient ones are{taken}{left_out}", header, body)


def _sharing(rows: Sequence[PlainRow]) -> Section:
    pairs = find(rows, study="spread", metric="shared_neurons")
    most = sorted((row for row in pairs if row["value"]), key=lambda row: -row["jaccard"])[:MOST_PAIRS]
    body = [[f"{row['label']}, {row['other']}", f"{row['value']:.0f}", f"{row['jaccard']:.2f}"] for row in most]
    focused = first(rows, study="spread", metric="focused_neurons")
    several = first(rows, study="spread", metric="several_labels_neurons")
    counts = f": {focused['value']:.0f} serve one label, {several['value']:.0f} several" if focused and several else ""
    return Section(f"Shared neurons{counts}; the pairs that share most", ("labels", "shared", "Jaccard"), body)


def _minimal_set(rows: Sequence[PlainRow]) -> Section:
    body, metric = [], first_metric(rows)
    for row in find(rows, study="minimal_set", metric="neurons"):
        tolerance = {"tolerance": row["tolerance"], "split": "test"}
        if row["value"] is None:
            lost = f"none: the best set loses {100 * row['least_lost']:.1f} points on dev{_untried(row)}"
            body.append([f"{row['tolerance']:g}", lost, "-", "-", "-"])
            continue
        cells = [
            first(rows, study="minimal_set", set="top", metric=metric, **tolerance),
            first(rows, study="redundancy", set="random", metric=f"mean_{metric}", **tolerance),
            first(rows, study="redundancy", set="bottom", metric=metric, **tolerance),
        ]
        size = f"{row['value']:,.0f} ({100 * row['share']:.3g} %){_untried(row)}"
        body.append([f"{row['tolerance']:g}", size, *map(percent, cells)])
    every_step = all(row.get("every_step_tried") for row in find(rows, study="minimal_set", metric="neurons"))
    which = ", in steps of 1 %," if every_step else " that was tried,"
    heading = f"Minimal neuron sets: the smallest top set{which} within the tolerance of the oracle on dev, retrained"
    return Section(heading, ("tolerance", "neurons", "top (test)", "random (test)", "bottom (test)"), body)


def _untried(row: PlainRow) -> str:
    return f"; {row['steps_untried']} smaller sizes were not tried" if row.get("steps_untried") else ""


def _selectivity(rows: Sequence[PlainRow]) -> Section:
    body = []
    for row in find(rows, study="selectivity", metric="selectivity", split="test"):
        place = {"study": "selectivity", "split": "test", "set": row["set"], "tolerance": row.get("tolerance")}
        control = first(rows, metric=f"mean_{first_metric(rows)}", **place)
        size = "all" if row["set"] == "all" else f"minimal set, tolerance {row['tolerance']:g}"
        body.append([size, f"{row['k']:,}" if row["k"] else "-", percent(control), percent(row)])
    name = METRIC_NAMES[first_metric(rows)]
    heading = f"Selectivity: {name} − {name} on a control task that only memory solves, on test"
    return Section(heading, ("neurons", "count", "control task", "selectivity"), body)


def _beside_paper(rows: Sequence[PlainRow], config: Mapping[str, Any]) -> Section:
    paper, prop = config.get("paper"), str((config.get("property") or {}).get("name"))
    if paper is None:
        return Section("", (), ())
    remarks = [str(paper), "its own models and corpora", labels_remark(rows, str(paper), prop)]
    heading = f"Beside the paper ({'; '.join(remark for remark in remarks if remark)})"
    header, *body = [*beside_paper(rows, str(paper), prop)] or [[]]
    if not body:
        said = f"It has no figures for {prop}, only for {', '.join(properties_of(str(paper)))}."
        return Section(heading, (str(paper),), [[said]])
    settings = settings_line(rows, config, str(paper))
    return Section(heading, header, [*body, settings + ["-"] * (len(header) - len(settings))])
