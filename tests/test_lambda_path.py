"""Curves over λ1: what a figure has of the rows of a search, and what a real search along a path leaves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from neuronprobe.activations import Split
from neuronprobe.callbacks import StableLambdaSearch
from neuronprobe.probes import ExactFit
from neuronprobe.rankings import lca
from neuronprobe.shown import Figure
from neuronprobe.studies.cells import find, plain
from neuronprobe.types import Result

L1 = [1e-1, 3e-2, 1e-2, 3e-3]


@pytest.fixture
def searched(planted: Split) -> Result:
    torch.set_num_threads(1)
    fit = ExactFit(l1=L1, l2=[1e-2, 1e-1], tolerance=1e-4)
    search = StableLambdaSearch(resamples=2)
    search.begin(fit, {"lca": lca})
    trainer = SimpleNamespace(datamodule=SimpleNamespace(split=lambda _: planted, target=planted.target))
    return search.run(trainer, quick(fit, planted))


def quick(fit: ExactFit, split: Split) -> SimpleNamespace:
    """What a Trainer leaves: the bank with its probes."""
    probes = fit(fit.grid(), split)
    return SimpleNamespace(members=probes, probes=lambda: probes)


def test_curves_along_the_path_are_the_rows_of_the_search(searched: Result) -> None:
    rows = find(plain(searched.rows), study="lambda_search")
    figures = {figure.name: figure for figure in searched.figures}
    (chosen,) = find(rows, metric="score", chosen=True)
    scores = figures["lambda_path"]
    assert scores.log and {series.x for series in scores.series} == {tuple(sorted(L1))}
    wanted = {
        "all neurons": {"metric": "accuracy", "set": "all"}, "top": {"metric": "accuracy", "set": "top"},
        "bottom": {"metric": "accuracy", "set": "bottom"}, "score S": {"metric": "score"},
    }  # fmt: skip
    assert curves(scores).keys() == wanted.keys()
    for name, curve in curves(scores).items():
        for l1, y in curve.items():
            (row,) = find(rows, **wanted[name], split="dev", l1=l1, l2=chosen["l2"])
            assert y == pytest.approx(100 * row["value"])
    assert all(series.flagged == tuple(x == chosen["l1"] for x in series.x) for series in scores.series)
    stable = figures["lambda_path_stability"]
    paths = {name: curve for name, curve in curves(stable).items() if curve}
    assert paths.keys() == {"λ2 0.01", "λ2 0.1"}
    for name, curve in paths.items():
        own = {row["l1"]: row for row in find(rows, metric="overlap", l2=float(name[3:]))}
        assert curve == pytest.approx({l1: 100 * row["value"] for l1, row in own.items()}) and set(curve) == set(L1)
    assert stable.series[-1].mark == "level" and stable.series[-1].y == (pytest.approx(5.0),)
    (table,) = (table for table in searched.tables if table.heading.startswith("λ search"))
    column = table.header.index("resamples share of the top 5%")
    assert len(table.body) == 8 and all(line[column] != "-" for line in table.body)


def curves(figure: Figure) -> dict[str, dict[float, float]]:
    return {series.name: dict(zip(series.x, series.y, strict=False)) for series in figure.series}


def test_a_grid_of_few_lambda_has_no_curve(planted: Split) -> None:
    torch.set_num_threads(1)
    fit = ExactFit(l1=[3e-2, 1e-2], l2=1e-2, tolerance=1e-4)
    search = StableLambdaSearch(resamples=2)
    search.begin(fit, {"lca": lca})
    trainer = SimpleNamespace(datamodule=SimpleNamespace(split=lambda _: planted, target=planted.target))
    names = {figure.name for figure in search.run(trainer, quick(fit, planted)).figures}
    assert "lambda_grid" in names and not names & {"lambda_path", "lambda_path_stability"}
