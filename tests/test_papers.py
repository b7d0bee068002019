"""The papers' figures as data, and what the report puts beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neuronprobe.report.papers import beside_paper, paper_lines, paper_table
from neuronprobe.shown import Table

EXPERIMENTS = sorted(path.stem for path in (Path(__file__).parents[1] / "conf" / "experiment").glob("*_table?.yaml"))


@pytest.mark.parametrize("paper", EXPERIMENTS)
def test_every_experiment_of_a_paper_has_its_figures(paper: str) -> None:
    lines = paper_lines(paper, "xpos")
    assert lines and all(float(line["value"]) > 0 for line in lines)
    assert all(float(line["value"]) < 1 for line in lines if line["metric"] != "neurons")


@pytest.mark.parametrize(
    ("paper", "prop", "model", "place", "value"),
    [
        ("emnlp2020_table1", "xpos", "BERT", ("ablation", "top", "0.2", "", "accuracy"), 0.9016),
        ("emnlp2020_table1", "ccg", "ELMo", ("ablation", "bottom", "0.2", "", "accuracy"), 0.3032),
        ("emnlp2020_table2", "sem", "T-ELMo", ("minimal_set", "top", "0.10", "0.005", "neurons"), 716),
        ("emnlp2020_table2", "chunk", "XLNet", ("selectivity", "top", "", "0.005", "selectivity"), 0.2842),
        ("emnlp2020_table3", "ccg", "BERT", ("minimal_set", "top", "", "0.02", "accuracy"), 0.9173),
        ("jmlr2023_table2", "sem", "RoBERTa", ("ablation", "magnitude", "0.2", "", "accuracy"), 0.6479),
        ("jmlr2023_table3", "xpos", "XLNet", ("redundancy", "bottom", "", "0.01", "accuracy"), 0.9120),
        ("aaai2019_table2", "xpos", "NLM DE", ("ablation", "top", "0.15", "", "accuracy"), 0.5170),
        ("fan2023_table2", "xpos", "BERT", ("agreement", "probeless", "", "", "neuron_vote"), 0.532),
        ("fan2023_table2", "xpos", "BERT", ("agreement", "average_precision", "", "", "average_overlap"), 0.156),
        ("aaai2019_table4", "sem", "NMT EN", ("retraining", "bottom", "0.1", "", "accuracy"), 0.7340),
    ],
)
def test_figures_are_as_printed(paper: str, prop: str, model: str, place: tuple[str, ...], value: float) -> None:
    names = ("study", "set", "share", "tolerance", "metric")
    found = [
        line for line in paper_lines(paper, prop)
        if line["model"] == model and tuple(line[name] for name in names) == place
    ]  # fmt: skip
    assert [float(line["value"]) for line in found] == [value]


def row(study: str, which: str, metric: str, value: float, **more: object) -> dict[str, Any]:
    return {"study": study, "set": which, "metric": metric, "value": value, "split": "test", "share": None} | more


def test_agreement_stands_beside_fans_as_the_mean_over_sizes() -> None:
    about = {"split": None, "set": None, "ranking": "lca"}
    rows = [row("agreement", "", "neuron_vote", value, **about | {"k": k}) for k, value in ((10, 0.2), (30, 0.6))]
    rows.append(row("agreement", "", "average_overlap", 0.1, **about | {"k": 10}))
    rows.append(row("agreement", "", "neuron_vote", 0.9, **about | {"ranking": "ridge"}))
    lines = {line[0]: line[1:] for line in beside_paper(rows, "fan2023_table2", "xpos")}
    assert lines["agreement: lca, overlap with the others' vote"] == ["40.0", "51.4"]
    assert lines["agreement: lca, mean overlap with the others"] == ["10.0", "25.8"]
    assert lines["agreement: random, overlap with the others' vote"] == ["-", "2.1"]


def test_ours_stand_beside_the_papers_by_size_and_tolerance() -> None:
    rows = [
        row("ablation", "top", "accuracy", 0.5, share=0.1),
        row("ablation", "top", "accuracy", 0.75, share=0.2001),
        row("ablation", "random", "mean_accuracy", 0.25, share=0.2001),
        row("oracle", "all", "accuracy", 0.9, share=1.0),
    ]
    header, *lines = beside_paper(rows, "emnlp2020_table1", "xpos")
    assert header == ["", "ours", "BERT", "XLNet", "T-ELMo", "ELMo"]
    assert lines[0][:3] == ["oracle: all", "90.0", "96.0"]
    assert lines[1][:4] == ["ablation: top 20%", "75.0", "90.2", "92.3"]
    assert lines[2][:3] == ["ablation: random 20%", "25.0", "28.4"]
    assert lines[3][1] == "-", "what did not run is not filled in"


def test_no_paper_gives_no_table() -> None:
    assert paper_table([], {"paper": None, "property": {"name": "xpos"}}) is None


def table(rows: list[dict[str, Any]], config: dict[str, Any]) -> Table:
    found = paper_table(rows, config)
    assert found is not None
    return found


@pytest.mark.parametrize("prop", ["upos", "deprel"])
def test_figures_stand_beside_the_same_property_only(prop: str) -> None:
    assert list(beside_paper([], "emnlp2020_table1", prop)) == []
    found = table([], {"paper": "emnlp2020_table1", "property": {"name": prop}})
    assert found.body == ((f"It has no figures for {prop}, only for ccg, chunk, sem, xpos.",),)
    found = table([], {"paper": "aaai2019_table2", "property": {"name": prop}})
    assert found.body == ((f"It has no figures for {prop}, only for sem, xpos.",),)


@pytest.mark.parametrize(
    ("paper", "prop", "here", "said"),
    [
        ("emnlp2020_table1", "xpos", 49, "theirs: 44 labels; here: 49"),
        ("jmlr2023_table3", "xpos", 17, "theirs: 44 labels; here: 17"),
        ("emnlp2020_table3", "sem", 69, "theirs: 73 labels; here: 69"),
        ("emnlp2020_table2", "ccg", 294, "theirs: 1,272 labels; here: 294"),
        ("jmlr2023_table2", "chunk", 22, ""),
        ("emnlp2020_table1", "xpos", 45, ""),
        ("aaai2019_table2", "xpos", 49, ""),  # how many labels it had is not in its tables
    ],
)
def test_another_number_of_labels_is_remarked_on(paper: str, prop: str, here: int, said: str) -> None:
    rows = [row("corpus", "", "labels", here, split="train"), row("corpus", "", "labels", 44, split="test")]
    heading = table(rows, {"paper": paper, "property": {"name": prop}}).heading
    end = f"; {said})" if said else "its own models and corpora)"
    assert heading.startswith("Beside the paper") and heading.endswith(end)


def test_means_of_ours_say_over_how_many_draws() -> None:
    rows = [row("ablation", "random", "mean_accuracy", 0.25, share=0.2, n_draws=5)]
    lines = {line[0]: line[1] for line in beside_paper(rows, "emnlp2020_table1", "xpos")}
    assert lines["ablation: random 20%"] == "25.0 (mean of 5 draws)"
    rows = [row("selectivity", "all", "selectivity", 0.2, n_draws=3, low=0.19, high=0.21)]
    lines = {line[0]: line[1] for line in beside_paper(rows, "emnlp2020_table2", "xpos")}
    assert lines["selectivity: all, selectivity"] == "20.0 [19.0, 21.0] (mean of 3 draws)"


def test_a_minimal_set_below_which_sizes_were_skipped_is_a_bound() -> None:
    found = row("minimal_set", "top", "neurons", 134.0, share=0.05, split="dev", tolerance=0.005, steps_untried=2)
    lines = {line[0]: line[1] for line in beside_paper([found], "emnlp2020_table2", "xpos")}
    assert lines["minimal set: top, tolerance 0.005, neurons"] == "≤ 134 (5%)"


def test_minimal_sets_are_matched_by_tolerance() -> None:
    rows = [
        row("minimal_set", "top", "neurons", 134.0, share=0.05, split="dev", tolerance=0.005, k=134),
        row("minimal_set", "top", "neurons", 27.0, share=0.01, split="dev", tolerance=0.02, k=27),
        row("minimal_set", "top", "accuracy", 0.93, share=0.05, tolerance=0.005, k=134),
        row("selectivity", "all", "selectivity", 0.2, k=2688),
        row("selectivity", "all", "mean_accuracy", 0.7, k=2688),
    ]
    lines = {line[0]: line[1] for line in beside_paper(rows, "emnlp2020_table2", "xpos")}
    assert lines["minimal set: top, tolerance 0.005, neurons"] == "134 (5%)"
    assert lines["minimal set: top, tolerance 0.005"] == "93.0"
    assert lines["selectivity: all, selectivity"] == "20.0"


@pytest.mark.parametrize(
    ("paper", "theirs"),
    [
        ("emnlp2020_table1", "batches of 512, 10 epochs, λ by the score of the trained probe, means of 3 runs"),
        (
            "jmlr2023_table2",
            "batches of 512, 10 epochs, λ by the score (algorithm 2: of retrained probes), means of 3 runs",
        ),
        ("aaai2019_table4", "λ1 = λ2 = 1e-5"),
    ],
)
def test_the_settings_of_the_job_stand_beside_the_papers(paper: str, theirs: str) -> None:
    config = {"paper": paper, "property": {"name": "xpos"}, "search": {"by": "score"}, "seed": 3}
    config |= {"probe": {"batch_size": 64, "epochs": 7}}
    rows = [row("oracle", "all", "accuracy", 0.9, share=1.0, l1=1e-3, l2=0.0)]
    found = table(rows, config)
    assert found.body[-1][:2] == (
        f"settings (theirs: {theirs})", "batches of 64, 7 epochs, λ by score: 0.001, 0; one run, seed 3"
    )  # fmt: skip
    assert {len(line) for line in found.body} == {len(found.header)}
