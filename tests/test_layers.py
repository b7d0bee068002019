"""Layer-wise probes and concatenations: planted layers, scikit-learn as witness, and one job with all trust studies."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from neuronprobe.activations import Split
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit, Member, Probe
from neuronprobe.studies import layers
from neuronprobe.studies.intervals import Bootstrap
from neuronprobe.studies.layers import layer_sets
from neuronprobe.types import Row
from tests.conftest import MakeSplit, make_trained
from tests.test_train import Run, run  # noqa: F401 (a fixture)

FIT = Fit(1e-3, 1e-3, epochs=8, batch_size=32, lr=0.03)


@pytest.fixture
def halves(make_split: MakeSplit) -> tuple[Split, Split, torch.Tensor, torch.Tensor]:
    """Three layers of 5: layer 0 is noise, layer 1 tells label 0 from the rest, layer 2 label 1 from the rest."""
    generator = torch.Generator().manual_seed(4)
    labels = torch.randint(3, (900,), generator=generator)
    activations = torch.randn(900, 15, generator=generator)
    activations[:, 7] += 4.0 * (labels == 0)
    activations[:, 11] += 4.0 * (labels == 1)
    train = make_split(activations[:600], labels[:600], layers=3)
    return train, make_split(activations[600:], labels[600:], layers=3), activations, labels


def value(rows: tuple[Row, ...], **wanted: object) -> Row:
    (found,) = [row for row in rows if all(row.as_dict().get(k) == v for k, v in wanted.items())]
    return found


def test_layers_know_what_was_planted_and_agree_with_scikit_learn(
    halves: tuple[Split, Split, torch.Tensor, torch.Tensor],
) -> None:
    torch.set_num_threads(1)
    train, test, activations, labels = halves
    chosen = Probe(torch.zeros(3, 15), torch.zeros(3), l1=0.0, l2=1e-3)
    result = layers(make_trained(chosen, train, {"dev": train, "test": test}, FIT))
    sets = {("one_layer", i): slice(5 * i, 5 * i + 5) for i in range(3)}
    sets |= {("layers_up_to", i): slice(0, 5 * i + 5) for i in range(3)}
    found = {}
    for (name, layer), columns in sets.items():
        row = value(result.rows, metric="accuracy", set=name, layer=layer, split="test")
        penalty = 1 / (600 * 2 * 1e-3)  # C of the same objective
        witness = LogisticRegression(C=penalty, max_iter=500).fit(activations[:600, columns], labels[:600])
        assert row.value == pytest.approx(witness.score(activations[600:, columns], labels[600:]), abs=0.025)
        assert row.k == columns.stop - columns.start and row.share == row.k / 15
        correct = result.correct[f"layers/{name}-{layer}"]
        assert row.value == pytest.approx(int(correct.sum()) / 300)
        ends = Bootstrap(torch.full((60,), 5), 0).ends(correct[None])[0].tolist()
        assert (row.low, row.high) == pytest.approx(tuple(ends)) and row.low < row.value < row.high
        assert value(result.rows, metric="accuracy", set=name, layer=layer, split="dev").low is not None
        found[name, layer] = row.value
    alone = [found["one_layer", layer] for layer in range(3)]
    assert alone[0] < 0.45 < 0.55 < min(alone[1:]) and max(alone[1:]) < 0.75
    assert found["layers_up_to", 0] == alone[0] and found["layers_up_to", 2] > 0.9


def test_differences_are_paired_and_against_all_layers(
    halves: tuple[Split, Split, torch.Tensor, torch.Tensor],
) -> None:
    train, test, *_ = halves
    short = Fit(0.0, 0.0, epochs=1, batch_size=64, lr=0.1)
    chosen = Probe(torch.zeros(3, 15), torch.zeros(3))
    result = layers(make_trained(chosen, train, {"test": test}, short))
    differences = [row for row in result.rows if row.metric == "accuracy_difference"]
    assert [(row.set, row.layer) for row in differences] == [
        ("one_layer", 0), ("one_layer", 1), ("one_layer", 2), ("layers_up_to", 0), ("layers_up_to", 1),
    ]  # fmt: skip
    whole = result.correct["layers/layers_up_to-2"].double()
    for row in differences:
        mine = result.correct[f"layers/{row.set}-{row.layer}"].double()
        assert row.value == pytest.approx(float((mine - whole).sum()) / 300)
        rng = np.random.default_rng(1)
        drawn = [(mine - whole)[rng.integers(60, size=60)].sum() / 300 for _ in range(2000)]
        assert (row.low, row.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.015)


def test_members_have_the_chosen_lambda_and_all_roles_of_their_layers() -> None:
    table = NeuronTable((Segment("residual", 0, 2), Segment("residual", 1, 2))).with_roles(("head", "modifier"))
    assert {str(chosen): chosen.neurons.tolist() for chosen in layer_sets(table)} == {
        "one_layer-0": [0, 1, 4, 5], "one_layer-1": [2, 3, 6, 7],
        "layers_up_to-0": [0, 1, 4, 5], "layers_up_to-1": [0, 1, 2, 3, 4, 5, 6, 7],
    }  # fmt: skip


def test_two_banks_with_the_chosen_lambda(halves: tuple[Split, Split, torch.Tensor, torch.Tensor]) -> None:
    train, test, *_ = halves
    banks: list[Sequence[Member]] = []

    class Noting(Fit):
        def __call__(self, members: Sequence[Member], split: Split) -> list[Probe]:
            assert split is train
            banks.append(members)
            return [Probe(torch.zeros(3, len(m.neurons)), torch.zeros(3), m.neurons) for m in members]

    chosen = Probe(torch.zeros(3, 15), torch.zeros(3), l1=0.5, l2=0.25, seed=9)
    layers(make_trained(chosen, train, {"test": test}, Noting(1e-3, 1e-4)))
    assert [len(bank) for bank in banks] == [3, 3]
    assert {(m.l1, m.l2, m.seed) for bank in banks for m in bank} == {(0.5, 0.25, 9)}


def test_a_job_with_all_studies(run: Run, tmp_path: Path) -> None:  # noqa: F811
    small = {"callbacks.stability.resamples": 3, "callbacks.stability.seeds": 1, "callbacks.spread.size": 0.1}
    code = run(
        callbacks="full", search="stability", search__resamples=2, search__tolerance=1.0,
        **{key.replace(".", "__"): value for key, value in small.items()},
    )  # fmt: skip
    assert code == 0
    job = tmp_path / "job"
    found = json.loads((job / "results.json").read_text())
    rows = found["rows"]
    assert {"stability", "spread", "layers", "lambda_search", "ablation", "retraining"} <= {r["study"] for r in rows}
    assert {"stability", "spread", "layers"} <= set(found["seconds"])
    overlaps = [r for r in rows if r["study"] == "lambda_search" and r["metric"] == "overlap"]
    (chosen,) = [r for r in overlaps if r["chosen"]]
    assert chosen["value"] == max(r["value"] for r in overlaps)
    oracle = next(r for r in rows if r["study"] == "oracle")
    assert (oracle["l1"], oracle["l2"]) == (chosen["l1"], chosen["l2"])
    marked = {(r["l1"], r["l2"]) for r in rows if r["study"] == "lambda_search" and r["chosen"]}
    assert marked == {(chosen["l1"], chosen["l2"])}
    ranking = list(csv.DictReader((job / "ranking.csv").open()))
    columns = [f"confidence_top_{k}" for k in (1, 5, 19)]
    assert [name for name in ranking[0] if name.startswith("confidence")] == columns
    page = (job / "report.md").read_text(encoding="utf-8")
    for heading in ("Stability", "Minimal neuron sets", "Selectivity", "Layers", "Labels"):
        assert f"\n## {heading}: " in page
    assert "\n## Shared neurons" in page and "| mean over the shares (area) |" in page
    for row in [r for r in rows if r["study"] == "stability" and r["metric"] == "confidence"]:
        line = ranking[row["rank"] - 1]
        assert (int(line["layer"]), int(line["neuron"])) == (row["layer"], row["neuron"])
        assert float(line[f"confidence_top_{row['k']}"]) == pytest.approx(row["value"], abs=1e-3)
    assert all(len(ranking) == 96 and 0 <= float(line[c]) <= 1 for line in ranking for c in columns)
    with np.load(job / "predictions.npz", allow_pickle=False) as predictions:
        assert {"layers/one_layer-0", "layers/layers_up_to-2"} <= set(predictions.files)
    whole = next(r for r in rows if r["study"] == "layers" and r["split"] == "test" and r["share"] == 1.0)
    accuracy = next(r for r in rows if r["study"] == "oracle" and r["split"] == "test" and r["metric"] == "accuracy")
    assert whole["value"] == pytest.approx(accuracy["value"], abs=1e-6)


def test_a_size_beyond_the_neurons_is_refused(
    run: Run, capsys: pytest.CaptureFixture[str]  # noqa: F811
) -> None:  # fmt: skip
    assert run(callbacks="full", callbacks__spread__size=97) != 0
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert said.startswith("error: callbacks.spread.size must be a count from 1 to 96")
