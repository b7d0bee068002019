"""What every ranking of conf/ranking keeps to: a YAML that is added to the folder is tested here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial

import pytest
import torch
from hydra import compose, initialize_config_dir

from neuronprobe.activations import Split
from neuronprobe.build import construct
from neuronprobe.errors import InputError
from neuronprobe.probes import Fit, Member, Probe
from neuronprobe.rankings import Evidence, Rank, checked, columns, moments
from neuronprobe.types import Ranking
from tests.conftest import MakeSplit
from tests.contracts.test_conf import CONF

NAMES = sorted(path.stem for path in CONF.glob("ranking/*.yaml"))
UNITS, NEURONS, LABELS = 240, 24, 4
CONSTANT, COPIED, COPY = 3, 5, 17
FIT = Fit(1e-3, 1e-3, epochs=2, batch_size=128, lr=0.01)
TRAINED = (
    "elimination", "gaussian", "group_lasso", "k_sparse", "lasso", "latent_subset", "rfe", "ridge"
)  # fmt: skip
"""Those that train probes: what they give depends on how they start, and on the order of the words."""


@cache
def rank_of(name: str, *overrides: str) -> Rank:
    """The ranking as a job has it."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        config = compose("config", [f"ranking={name}", *overrides])
    (rank,) = construct(config, "ranking").values()
    return checked(rank)


def _function(name: str) -> object:
    return rank_of(name).__wrapped__.func  # type: ignore[attr-defined]


def reads_probe(name: str) -> bool:
    return getattr(_function(name), "reads_probe", True)


def _said(name: str) -> str:
    return " ".join((_function(name).__doc__ or "").split())


CLOSED = [name for name in NAMES if name not in TRAINED]
every, every_closed = pytest.mark.parametrize("name", NAMES), pytest.mark.parametrize("name", CLOSED)


@dataclass(frozen=True)
class Case:
    """Activations, labels and a probe that a ranking is asked about."""

    activations: torch.Tensor
    labels: torch.Tensor
    probe: Probe
    make: MakeSplit
    dev: Case | None = None

    def split(self) -> Split:
        return self.make(self.activations, self.labels, layers=3, n_labels=LABELS)

    def evidence(self, weights: torch.Tensor | None = None) -> Evidence:
        split = self.split()
        return Evidence(split, self.dev.split() if self.dev else split, FIT, 0, self.probe, weights)

    def ranked(self, name: str, weights: torch.Tensor | None = None) -> Ranking:
        return rank_of(name)(self.evidence(weights))

    def changed(self, units: torch.Tensor | None = None, **own: torch.Tensor) -> Case:
        activations, labels = own.get("activations", self.activations), own.get("labels", self.labels)
        probe = replace(self.probe, weights=own.get("weights", self.probe.weights),
                        bias=own.get("bias", self.probe.bias))  # fmt: skip
        units = torch.arange(len(labels)) if units is None else units
        return Case(activations[units], labels[units], probe, self.make)


@pytest.fixture
def case(make_split: MakeSplit) -> Case:
    """Neurons of all scales that tell the labels more or less; one is constant, one is another's copy."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(LABELS, (UNITS,), generator=generator)
    told = torch.randn(LABELS, NEURONS, generator=generator) * torch.linspace(0.1, 2, NEURONS)
    activations = torch.randn(UNITS, NEURONS, generator=generator) + told[labels]
    activations = activations * (2.0 ** (torch.arange(NEURONS) % 5 - 2)) + torch.linspace(-1, 1, NEURONS)
    weights, bias = torch.randn(LABELS, NEURONS, generator=generator), torch.randn(LABELS, generator=generator)
    for values in (activations, weights):
        values[:, COPY] = values[:, COPIED]
    activations[:, CONSTANT] = 0.1
    return Case(activations, labels, Probe(weights / 4, bias / 4), make_split)


def blocks(ranking: Ranking) -> list[set[int]]:
    """The earned neurons in the order of their scores, those of (nearly) equal scores together."""
    found: list[set[int]] = []
    last = None
    for neuron in ranking.order[: ranking.earned].tolist():
        score = float(ranking.score[neuron])
        if last is None or abs(score - last) > 1e-9 * max(abs(score), abs(last)):
            found.append(set())
        found[-1].add(neuron)
        last = score
    return found


def assert_same(one: Ranking, other: Ranking, scores: bool = True) -> None:
    assert one.earned == other.earned and blocks(one) == blocks(other)
    torch.testing.assert_close(one.by_label, other.by_label, rtol=1e-9, atol=1e-9)
    if scores:
        torch.testing.assert_close(one.score, other.score, rtol=1e-10, atol=1e-12)


@every_closed
def test_renaming_neurons_renames_the_earned_part_and_ties_keep_their_sets(name: str, case: Case) -> None:
    names = torch.randperm(NEURONS, generator=torch.Generator().manual_seed(1))
    renamed = case.changed(activations=case.activations[:, names], weights=case.probe.weights[:, names]).ranked(name)
    own = case.ranked(name)
    assert renamed.earned == own.earned
    if name == "borda":  # its members' ties, the copies, stand in the order of their names
        torch.testing.assert_close(renamed.score, own.score[names], rtol=0, atol=1)
        return
    assert [{int(names[n]) for n in block} for block in blocks(renamed)] == blocks(own)
    torch.testing.assert_close(renamed.score, own.score[names], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(renamed.by_label, own.by_label[:, names], rtol=1e-9, atol=1e-9)


@every_closed
def test_the_order_of_words_changes_nothing(name: str, case: Case) -> None:
    shuffled = torch.randperm(UNITS, generator=torch.Generator().manual_seed(2))
    weights = torch.rand(UNITS, generator=torch.Generator().manual_seed(3)).round(decimals=1)
    for own in (None, weights):
        there = None if own is None else own[shuffled]
        assert_same(case.changed(shuffled).ranked(name, there), case.ranked(name, own))


@every_closed
def test_the_order_of_labels_changes_nothing(name: str, case: Case) -> None:
    names = torch.tensor([2, 0, 3, 1])
    weights, bias = torch.empty_like(case.probe.weights), torch.empty_like(case.probe.bias)
    weights[names], bias[names] = case.probe.weights, case.probe.bias
    found = case.changed(labels=names[case.labels], weights=weights, bias=bias).ranked(name)
    assert_same(replace(found, by_label=found.by_label[names]), case.ranked(name))


@every_closed
def test_the_size_of_batches_changes_nothing(name: str, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stream = case.ranked(name), Split.blocks
    monkeypatch.setattr(moments, "BLOCK", 17)
    monkeypatch.setattr(Split, "blocks", lambda split, size=31: stream(split, min(size, 31)))
    monkeypatch.setattr(columns, "columns", partial(columns.columns, most=5 * 4 * UNITS))  # five neurons at a time
    assert_same(case.ranked(name), whole)


@every
def test_a_ranking_says_whether_scale_matters_and_it_is_so(name: str, case: Case) -> None:
    claims = "Invariant to" in _said(name)
    assert claims != ("Not invariant to scale" in _said(name)), "the docstring says which"
    if name in CLOSED:
        scale = 2.0 ** torch.randint(-6, 7, (NEURONS,), generator=torch.Generator().manual_seed(4))
        scale[COPY] = scale[COPIED]
        scaled = case.changed(activations=case.activations * scale, weights=case.probe.weights / scale)
        assert (blocks(scaled.ranked(name)) == blocks(case.ranked(name))) == claims


@every_closed
def test_what_a_ranking_claims_of_shifts_signs_and_increasing_maps_is_so(name: str, case: Case) -> None:
    said, own = _said(name), blocks(case.ranked(name))
    generator = torch.Generator().manual_seed(9)
    shift = torch.randint(-40, 41, (NEURONS,), generator=generator) / 8
    sign = torch.randint(2, (NEURONS,), generator=generator) * 2.0 - 1
    shift[COPY], sign[COPY] = shift[COPIED], sign[COPIED]
    coarse = case.changed(activations=(case.activations * 64).round() / 64)  # sums are without rounding
    if "Invariant to all" in said or "Invariant to shift" in said:
        moved = coarse.changed(activations=coarse.activations + shift)
        assert blocks(moved.ranked(name)) == blocks(coarse.ranked(name))
    if "Invariant to all" in said or "scale" in said.partition("Invariant to ")[2].replace("(positive) scale", ""):
        turned = case.changed(activations=case.activations * sign, weights=case.probe.weights * sign)
        assert blocks(turned.ranked(name)) == own
    if "Invariant to all" in said or "increasing map" in said:
        assert blocks(case.changed(activations=case.activations.double().exp().float()).ranked(name)) == own


@every_closed
def test_a_constant_neuron_is_not_earned_where_activations_are_read_and_copies_are_equal(name: str, case: Case) -> None:
    for weights in (None, torch.rand(UNITS, generator=torch.Generator().manual_seed(6))):
        found = case.ranked(name, weights)
        earned = set(found.order[: found.earned].tolist())
        needs_variation = not reads_probe(name) or name == "scaled_magnitude"
        expected = set(range(NEURONS)) - ({CONSTANT} if needs_variation else set())
        assert earned <= expected if name in ("random", "iou") else earned == expected
        assert bool((found.by_label[:, CONSTANT] == 1).all()) == needs_variation
        apart = 1.0 if name == "borda" else 0.0  # its members' ties stand in the order of their names
        assert float(found.score[COPY]) == pytest.approx(float(found.score[COPIED]), rel=1e-12, abs=apart)
        torch.testing.assert_close(found.by_label[:, COPY], found.by_label[:, COPIED])


@every_closed
def test_what_is_earned_stands_first_and_what_is_not_in_the_order_of_the_seed(name: str, case: Case) -> None:
    """Half of the neurons say nothing: they are constant, and have no weight."""
    activations, weights = case.activations.clone(), case.probe.weights.clone()
    says = set() if name == "random" else set(range(1, NEURONS, 2)) - {CONSTANT}
    for neuron in set(range(NEURONS)) - set(range(1, NEURONS, 2)) | {CONSTANT}:
        activations[:, neuron], weights[:, neuron] = 0.5, 0.0
    evidence = case.changed(activations=activations, weights=weights).evidence()
    found = [rank_of(name)(replace(evidence, seed=seed)) for seed in range(8)]
    n = len(says)
    assert {one.earned for one in found} == {n} and all(set(one.order[:n].tolist()) == says for one in found)
    assert len({tuple(one.order[:n].tolist()) for one in found}) == 1, "the seed has no say in what is earned"
    assert len({tuple(one.order[n:].tolist()) for one in found}) == 8
    assert bool((found[0].score[found[0].order[:n]] != 0).any()) == bool(says)


@pytest.mark.parametrize("name", [name for name in TRAINED if name not in ("lasso", "ridge")])
def test_a_dear_ranking_earns_its_candidates_alone(name: str, case: Case) -> None:
    found = rank_of(name, f"ranking.{name}.most=7")(case.evidence())
    heaviest = rank_of("ridge")(case.evidence()).order[:7]
    assert found.earned <= 7 and set(found.order[: found.earned].tolist()) <= set(heaviest.tolist())
    assert found.earned == 7 or name == "group_lasso", "of the candidates those that come in"
    behind = rank_of(name, f"ranking.{name}.most=7")(replace(case.evidence(), seed=1)).order[7:]
    assert not torch.equal(found.order[7:], behind)


@every_closed
def test_a_weighting_is_the_resample_written_out_and_a_label_that_it_lacks_is_not_seen(name: str, case: Case) -> None:
    times = torch.randint(0, 3, (UNITS,), generator=torch.Generator().manual_seed(7))
    times[case.labels == 2] = 0
    written = replace(case.changed(torch.arange(UNITS).repeat_interleave(times)), dev=case).ranked(name)
    weighted = case.ranked(name, times / times.double().mean().float())
    assert_same(weighted, written, scores=False)
    assert bool((weighted.by_label[2] == 1).all())


@every
def test_labels_of_one_word_and_two_labels_are_ranked(name: str, case: Case) -> None:
    for labels in (case.labels.clamp_max(1), torch.where(torch.arange(UNITS) == 9, 3, case.labels.clamp_max(2))):
        found = case.changed(labels=labels).ranked(name)
        assert bool(found.score.isfinite().all()) and (found.earned > 0 or name == "random")


@every
def test_a_ranking_is_a_function_of_its_evidence(name: str, case: Case) -> None:
    one, other = case.ranked(name), case.ranked(name)
    assert torch.equal(one.order, other.order) and torch.equal(one.score, other.score)
    assert one.earned == other.earned and torch.equal(one.by_label, other.by_label) and one.name == name


@every
def test_a_ranking_that_reads_no_probe_says_so_and_is_computed_once_for_all(name: str, case: Case) -> None:
    evidence, rank = case.evidence(), rank_of(name)
    without = replace(evidence, probe=None)
    if reads_probe(name):
        with pytest.raises(InputError, match="needs no probe"):
            rank(without)
        return
    found = rank(evidence)
    other = Probe(torch.zeros(LABELS, NEURONS), torch.zeros(LABELS))
    assert rank(replace(evidence, probe=other)) is found and rank(without) is found
    assert rank(replace(evidence, weights=torch.ones(UNITS))) is not found
    assert rank(replace(evidence, seed=1)) is not found


@every
def test_a_ranking_that_trains_refuses_without_fit_and_the_others_need_none(name: str, case: Case) -> None:
    evidence = replace(case.evidence(), fit=None)
    if name in TRAINED:
        with pytest.raises(InputError, match=f"fit must be given to ranking {name}, which trains probes, got None"):
            rank_of(name)(evidence)
    else:
        assert rank_of(name)(evidence).name == name


@every
def test_one_label_is_enough_or_is_refused_in_one_line(name: str, case: Case) -> None:
    one = case.changed(labels=torch.zeros(UNITS, dtype=torch.long))
    if name in ("lca", "magnitude", "scaled_magnitude", "gradient_activation", "lasso", "random", "ridge", "variance"):
        assert bool(one.ranked(name).score.isfinite().all())
        return
    with pytest.raises(
        InputError, match=r"^train must have units of at least 2 labels for ranking \w+, got 1; [^\n]+$"
    ):
        one.ranked(name)


LABELS_ALONE = (
    "average_precision", "borda", "gaussian", "gradient_activation", "group_lasso", "iou", "latent_subset",
    "mean_difference", "mean_select", "probeless", "single_neuron", "unsigned_average_precision",
)  # fmt: skip
"""Those that values are refused by (borda: by its default members)."""


@every
def test_values_are_ranked_or_refused_in_one_line(name: str, case: Case) -> None:
    generator = torch.Generator().manual_seed(8)
    values = case.activations[:, 20] / case.activations[:, 20].std() + torch.randn(UNITS, generator=generator) / 3
    split = case.make(case.activations, values)
    probe = FIT([Member(1e-3, 1e-3)], split)[0]
    evidence = Evidence(split, split, FIT, 0, probe)
    if name in LABELS_ALONE:
        with pytest.raises(
            InputError, match=r"^ranking \w+ must have a property with labels, got value, which has values"
        ):
            rank_of(name)(evidence)
        return
    found = rank_of(name)(evidence)
    assert found.by_label.shape == (1, NEURONS) and bool(found.score.isfinite().all())
    if name in ("f_statistic", "mutual_information"):
        assert int(found.order[0]) == 20 and CONSTANT not in found.order[: found.earned]
        doubled = replace(evidence, weights=torch.rand(UNITS, generator=generator) + 0.5)
        assert int(rank_of(name)(doubled).order[0]) == 20


def test_random_is_uniform_and_earns_nothing(case: Case) -> None:
    """Each neuron stands at each place as often: χ² over places and neurons, 0.999 of it."""
    evidence, table = case.evidence(), torch.zeros(NEURONS, NEURONS)
    for seed in range(500):
        found = rank_of("random")(replace(evidence, seed=seed))
        assert found.earned == 0
        table[torch.arange(NEURONS), found.order] += 1
    expected = 500 / NEURONS
    chi_square = float(((table - expected).square() / expected).sum())
    assert chi_square < 631.0  # of (24 − 1)² = 529 degrees of freedom
