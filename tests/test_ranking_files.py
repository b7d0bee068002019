"""What the study of rankings leaves in the job's folder: a file for every ranking, one of labels for the primary."""

from __future__ import annotations

import csv
import io

import pytest
import torch

from neuronprobe.activations import Split
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit, Probe
from neuronprobe.rankings import Evidence, lca, magnitude, probeless
from neuronprobe.studies import ranking
from neuronprobe.types import Ranking
from tests.conftest import make_trained

NAMES = ("lca", "magnitude", "probeless")


def lines(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.fixture
def probe() -> Probe:
    """4 labels × 40 neurons; the last ten have no weight, label 3 has none at all."""
    weights = torch.randn(4, 40, generator=torch.Generator().manual_seed(5))
    weights[:, 30:], weights[3] = 0.0, 0.0
    return Probe(weights, torch.zeros(4), l1=1e-3, l2=1e-4)


@pytest.fixture
def ranked(planted: Split, probe: Probe) -> dict[str, Ranking]:
    """Three rankings: of weights in two ways, and of activations."""
    evidence = Evidence(planted, planted, Fit(1e-3, 1e-4), 0, probe)
    return {rank.__name__: rank(evidence) for rank in (lca, magnitude, probeless)}


@pytest.mark.parametrize("primary", NAMES)
def test_every_ranking_has_a_file_with_all_neurons_and_which_it_earned(
    planted: Split, probe: Probe, ranked: dict[str, Ranking], primary: str
) -> None:
    rankings = {primary: ranked[primary], **ranked}
    files = ranking(make_trained(probe, planted, rankings=rankings), 0.1).files
    others = [name for name in NAMES if name != primary]
    assert set(files) == {"ranking.csv", "ranking_by_label.csv", *(f"ranking_{name}.csv" for name in others)}
    for name, found in rankings.items():
        rows = lines(files["ranking.csv" if name == primary else f"ranking_{name}.csv"])
        assert list(rows[0]) == ["rank", "site", "layer", "neuron", "role", "score", "earned", "labels"]
        assert [10 * int(row["layer"]) + int(row["neuron"]) for row in rows] == found.order.tolist()
        assert [int(row["rank"]) for row in rows] == list(range(1, 41))
        assert [row["earned"] for row in rows] == ["true"] * found.earned + ["false"] * (40 - found.earned)
        scores = [float(row["score"]) for row in rows]
        assert scores == pytest.approx(found.score[found.order].tolist(), rel=1e-6)
    assert (ranked["lca"].earned, ranked["magnitude"].earned, ranked["probeless"].earned) == (30, 30, 40)
    labels = lines(files["ranking_by_label.csv"])
    assert {row["label"] for row in labels} == ({"a", "b", "c", "d"} if primary == "probeless" else {"a", "b", "c"})
    for i, label in enumerate("abc"):
        own = [10 * int(row["layer"]) + int(row["neuron"]) for row in labels if row["label"] == label]
        depth = rankings[primary].by_label[i]
        assert own == depth.argsort(stable=True)[: int((depth < 0.25).sum())].tolist()
        named = [row for row in lines(files["ranking.csv"]) if label in row["labels"].split()]
        assert sorted(own) == sorted(10 * int(row["layer"]) + int(row["neuron"]) for row in named)


def test_confidence_is_of_the_primary_ranking_alone(
    planted: Split, probe: Probe, ranked: dict[str, Ranking]
) -> None:  # fmt: skip
    confidence = {k: torch.rand(40, generator=torch.Generator().manual_seed(k)) for k in (2, 10)}
    found = ranking(make_trained(probe, planted, rankings=ranked), 5, confidence)
    rows = lines(found.files["ranking.csv"])
    for k, own in confidence.items():
        shown = [float(row[f"confidence_top_{k}"]) for row in rows]
        assert shown == pytest.approx(own[ranked["lca"].order].tolist(), abs=1e-3)
    assert all(
        "confidence" not in name for other in NAMES[1:] for name in lines(found.files[f"ranking_{other}.csv"])[0]
    )


def test_neurons_of_attention_name_their_head(planted: Split, probe: Probe, ranked: dict[str, Ranking]) -> None:
    planted.neurons = NeuronTable((Segment("residual", 0, 10), Segment("attention", 1, 30, heads=3)))
    rows = lines(ranking(make_trained(probe, planted, rankings=ranked), 5).files["ranking.csv"])
    assert list(rows[0])[-1] == "attention_head"
    heads = {(row["site"], int(row["neuron"]) // 10 if row["site"] == "attention" else "", row["attention_head"])
             for row in rows}  # fmt: skip
    assert heads == {("residual", "", ""), *(("attention", i, str(i)) for i in range(3))}


def test_rows_are_of_every_ranking_and_salient_neurons_are_earned_ones(
    planted: Split, probe: Probe, ranked: dict[str, Ranking]
) -> None:
    rows = ranking(make_trained(probe, planted, rankings=ranked), 35).rows
    for name, found in ranked.items():
        own = [row for row in rows if row.ranking == name]
        (earned,) = [row.value for row in own if row.metric == "earned_neurons"]
        salient = [row for row in own if row.metric == "salient_neurons"]
        assert earned == found.earned
        assert sum(row.value or 0 for row in salient) == min(35, found.earned)
        assert {row.flags["earned"] for row in salient} == {min(35, found.earned)}
