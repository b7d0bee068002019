"""What a ranking can't work with is said before anything is trained."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

import neuronprobe as npb
from neuronprobe import rankings
from neuronprobe.activations import Split
from neuronprobe.corpora import ConlluCorpus
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from neuronprobe.probes import Fit
from neuronprobe.rankings import Evidence, rehearse
from neuronprobe.types import Ranking
from tests.conftest import MakeSplit

FIT = Fit(1e-3, 1e-4)
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("gaussian", {"k": 41}, r"ranking\.gaussian\.k must be a whole number from 1 to 40, got 41"),
    ("gaussian", {"most": 41}, r"ranking\.gaussian\.most must be a whole number from 1 to 40, got 41"),
    ("gaussian", {"fewest": 10**6}, r"ranking\.gaussian\.fewest must leave at least 2 labels"),
    ("latent_subset", {"k": 0}, r"ranking\.latent_subset\.k must be a whole number from 1 to 40, got 0"),
    ("elimination", {"groups": 1}, r"ranking\.elimination\.groups must be a whole number of at least 2, got 1"),
    ("rfe", {"step": 2.0}, r"ranking\.rfe\.step must be a number"),
    ("k_sparse", {"most": 0}, r"ranking\.k_sparse\.most must be"),
    ("mutual_information", {"bins": 1}, r"ranking\.mutual_information\.bins must be"),
    ("average_precision", {"threshold": -1.0}, r"ranking\.average_precision\.threshold must be"),
    ("iou", {"threshold": 0.0}, r"ranking\.iou\.quantile or ranking\.iou\.threshold must be given, and not both"),
    ("borda", {"members": {}}, r"ranking\.borda\.members must be one or more rankings, got none"),
    (
        "borda", {"members": {"lca": rankings.lca, "gaussian": partial(rankings.gaussian, k=41)}},
        r"ranking\.gaussian\.k must be",
    ),
]  # fmt: skip


class Untouched(Fit):
    """Trains nothing."""

    def __call__(self, *arguments: Any) -> Any:
        raise AssertionError("something was trained")


@pytest.mark.parametrize(("name", "settings", "said"), REFUSED)
def test_bad_settings_are_said_without_activations_or_training(
    name: str, settings: dict[str, Any], said: str, planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    rank = partial(getattr(rankings, name), **settings)
    monkeypatch.setattr(planted._store, "gather", lambda rows: pytest.fail("activations were read"))
    with pytest.raises(InputError, match=said):
        rehearse(rank, planted, planted, Untouched(1e-3, 1e-4), 0)


def test_labels_for_a_method_that_needs_them_and_fit_for_one_that_trains(make_split: MakeSplit, planted: Split) -> None:
    x = torch.randn(50, 4)
    values = make_split(x, x[:, 0].double())
    for name in ("probeless", "average_precision", "gaussian", "single_neuron", "iou", "gradient_activation"):
        with pytest.raises(InputError, match=f"ranking {name} must have a property with labels"):
            rehearse(getattr(rankings, name), values, values, FIT, 0)
    one = make_split(x, torch.zeros(50).long(), n_labels=2)
    with pytest.raises(InputError, match="train must have units of at least 2 labels for ranking probeless, got 1"):
        rehearse(rankings.probeless, one, one, FIT, 0)
    with pytest.raises(InputError, match=r"^fit must be given to ranking rfe, which trains probes, got None"):
        rehearse(rankings.rfe, planted, planted, None, 0)


def test_what_ranks_well_is_let_through(planted: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that makes something odd of evidence without activations: it is called again with everything."""
    monkeypatch.setattr(planted._store, "gather", lambda rows: pytest.fail("activations were read"))
    for name in ("lca", "scaled_magnitude", "ridge", "lasso", "elimination", "latent_subset", "variance", "random"):
        rehearse(getattr(rankings, name), planted, planted, Untouched(1e-3, 1e-4), 0)

    def odd(evidence: Evidence) -> Ranking:
        assert evidence.probe is not None
        return Ranking.from_scores("odd", evidence.probe.weights.abs())

    rehearse(odd, planted, planted, FIT, 0)


def test_a_job_ends_before_its_bank_is_trained(
    corpus: ConlluCorpus, tiny_bert: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FrozenTransformer(str(tiny_bert))
    data = npb.ActivationsDataModule(corpus, npb.WordProperty("upos"), model, str(tmp_path / "store"))
    with pytest.raises(InputError, match=r"ranking\.gaussian\.k must be a whole number from 1 to 96, got 97"):
        npb.train(data, Untouched(1e-3, 1e-4), [rankings.lca, partial(rankings.gaussian, k=97)])
