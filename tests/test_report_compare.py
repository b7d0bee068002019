"""Two runs compared pairwise: against the bootstrap by hand; broken and foreign files end in one line."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import t as student

from neuronprobe.jobs.files import assemble, write_results
from neuronprobe.report.__main__ import main
from neuronprobe.report.compare import compare
from neuronprobe.report.join import join
from neuronprobe.types import Row

UNITS = np.random.default_rng(0).integers(1, 12, 150).astype(np.int32)
Job = Callable[..., Path]


def correct(rate: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).binomial(UNITS, rate).astype(np.int32)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Writes a job's folder with predictions and, with `forms`, a results.json."""

    def make(name: str, forms: str | None = None, **arrays: np.ndarray) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        np.savez_compressed(folder / "predictions.npz", **arrays)
        if forms is not None:
            about: dict[str, Any] = {"fingerprint": {"test": {"forms": forms}}}
            write_results(folder, assemble("ok", {"seed": 0}, [Row("oracle", "accuracy", 0.5, k=96)], **about))
        return folder

    return make


def report(*words: object) -> int:
    sys.argv = ["report", *map(str, words)]
    return main()


def test_differences_are_paired_over_the_test_sentences(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    base = correct(0.8, 1)
    better = np.minimum(UNITS, base + (np.arange(150) % 3 == 0)).astype(np.int32)
    noise = np.stack([correct(rate, seed) for seed, rate in enumerate((0.5, 0.6, 0.4, 0.55))])
    random = "ablation/zero/random-9"
    one = job("one", units=UNITS, oracle=better, **{"ablation/zero/top-9": noise[0], "retraining/top-9": noise[0]},
              **{random: noise[:2]})  # fmt: skip
    two = job("two", units=UNITS, oracle=base, **{"ablation/zero/top-9": noise[0], "layers/one_layer-0": noise[0]},
              **{random: noise[1:]})  # fmt: skip
    found = {row.probe: row for row in compare(one, two, Console())}
    assert list(found) == ["oracle", "ablation/zero/top-9", random]
    oracle = found["oracle"]
    assert oracle.value == pytest.approx((better - base).sum() / UNITS.sum()) and oracle.value > 0
    assert oracle.first == pytest.approx(better.sum() / UNITS.sum())
    rng = np.random.default_rng(7)
    drawn = rng.integers(150, size=(4000, 150))
    by_hand = np.quantile((better - base)[drawn].sum(1) / UNITS[drawn].sum(1), [0.025, 0.975])
    assert oracle.ends == pytest.approx(tuple(by_hand), abs=0.004)
    unpaired = np.quantile(better[drawn].sum(1) / UNITS[drawn].sum(1), [0.025, 0.975])
    assert oracle.ends[1] - oracle.ends[0] < 0.5 * (unpaired[1] - unpaired[0])
    assert (found["ablation/zero/top-9"].value, found["ablation/zero/top-9"].ends) == (0, (0, 0))
    means = [draws.sum(1).mean() / UNITS.sum() for draws in (noise[:2], noise[1:])]
    assert (found[random].first, found[random].second) == pytest.approx(tuple(means))
    assert found[random].value == pytest.approx(means[0] - means[1]) and found[random].draws == (2, 3)
    assert report("compare", one, two) == 0
    shown = capsys.readouterr().out
    line = next(line for line in shown.splitlines() if "oracle" in line)
    assert (
        f"{100 * oracle.value:+.1f} [{100 * oracle.ends[0]:+.1f}, {100 * oracle.ends[1]:+.1f}]" in line
        and "apart" in line
    )
    assert "2 probes are in one job only" in shown


def test_the_draws_of_both_jobs_are_in_the_interval_in_pairs_where_there_are_as_many(job: Job) -> None:
    rates = np.array([0.4, 0.5, 0.6, 0.7])
    one = np.stack([correct(rate, 1) for rate in rates])
    name = "ablation/zero/random-9"
    same = job("same", units=UNITS, **{name: np.maximum(one - (np.arange(150) % 5 == 0), 0)})
    fewer = job("fewer", units=UNITS, **{name: one[1:3]})
    single = job("single", units=UNITS, **{name: one[:1]})
    mine = job("mine", units=UNITS, **{name: one})
    (paired,), (apart,), (alone,) = (compare(mine, other, Console()) for other in (same, fewer, single))
    accuracy = one.sum(1) / UNITS.sum()
    variances = [accuracy.var(ddof=1) / 4, accuracy[1:3].var(ddof=1) / 2]
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 3 + variances[1] ** 2)
    assert paired.ends[1] - paired.ends[0] < 0.05  # the spread of the differences, not of the draws
    wide = 2 * student.ppf(0.975, freedom) * sum(variances) ** 0.5
    assert apart.ends[1] - apart.ends[0] == pytest.approx(wide, rel=0.1)
    assert alone.ends is None  # one draw tells nothing of the spread


def test_control_tasks_of_other_seeds_are_left_out_and_named(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [job(name, units=UNITS, oracle=correct(0.8, 1),
                **{"selectivity/control-all": np.stack([correct(0.3, i) for i in range(3)])})
            for name in ("one", "two", "three")]  # fmt: skip
    for folder, seed in zip(jobs, (0, 0, 1), strict=True):
        write_results(folder, assemble("ok", {"seed": seed}, [Row("oracle", "accuracy", 0.5, k=96)]))
    assert report("compare", *jobs[:2]) == 0
    assert "control task, all (3 draws)" in capsys.readouterr().out
    assert report("compare", jobs[0], jobs[2]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "control task, all" not in said and "1 control accuracies are left out: control tasks of seeds 0 and 1" in said
    )


GOOD = {"units": UNITS, "oracle": correct(0.8, 0)}
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no predictions": (lambda path: path.unlink(), "predictions.npz, got .*which has none"),
    "empty": (lambda path: path.write_bytes(b""), "broken file"),
    "no archive": (lambda path: path.write_bytes(b"hello"), "broken file"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:300]), "broken file"),
    "damaged": (lambda path: path.write_bytes(path.read_bytes()[:90] + b"x" * 40 + path.read_bytes()[130:]), "broken"),
    "one array": (lambda path: np.save(path.open("wb"), UNITS), "broken file"),
    "pickled": (lambda path: np.savez(path, units=np.array([{}], dtype=object)), "broken file.*pickle"),
    "no units": (lambda path: np.savez(path, oracle=UNITS), "units of each test sentence"),
    "float units": (lambda path: np.savez(path, units=UNITS * 1.0), "units of each test sentence"),
    "no sentence": (lambda path: np.savez(path, units=UNITS[:0]), "units of each test sentence"),
    "short probe": (lambda path: np.savez(path, units=UNITS, oracle=UNITS[:3]), "oracle does not"),
    "too many correct": (lambda path: np.savez(path, units=UNITS, oracle=UNITS + 1), "oracle does not"),
    "other sentences": (lambda path: np.savez(path, units=UNITS[::-1], oracle=0 * UNITS), "same test sentences"),
    "fewer sentences": (lambda path: np.savez(path, units=UNITS[1:], oracle=0 * UNITS[1:]), "149 with"),
    "other probes": (lambda path: np.savez(path, units=UNITS, ridge=UNITS), "probe in common"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_compared_ends_in_one_line(kind: str, job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = job("one", **GOOD), job("two", **GOOD)
    breaks, message = BROKEN[kind]
    breaks(two / "predictions.npz")
    assert report("compare", one, two) == 2
    assert_one_line(capsys, message)


def test_other_words_are_refused_even_with_equal_units(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    one, same, other = job("one", "a", **GOOD), job("same", "a", **GOOD), job("other", "b", **GOOD)
    assert report("compare", one, same) == 0
    capsys.readouterr()
    assert report("compare", one, other) == 2
    assert_one_line(capsys, "other words in")


FOREIGN = {
    "text": "hello",
    "list": "[]",
    "empty": "{}",
    "no rows": json.dumps({"schema": 1, "status": "ok", "config": {}}),
    "rows of numbers": json.dumps({"schema": 1, "status": "ok", "config": {}, "rows": [1]}),
    "rows of others": json.dumps({"schema": 1, "status": "ok", "config": {}, "rows": [{"study": "oracle"}]}),
    "words for numbers": json.dumps(
        {"schema": 1, "status": "ok", "config": {}, "rows": [{**Row("oracle", "accuracy", 0.5).as_dict(), "k": "all"}]}
    ),
    "later schema": json.dumps({"schema": 2, "status": "ok", "config": {}, "rows": []}),
    "other config": json.dumps({"schema": 1, "status": "ok", "config": "x", "rows": []}),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_results_file_ends_in_one_line(kind: str, job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = job("one", "a", **GOOD), job("two", "a", **GOOD)
    (two / "results.json").write_text(FOREIGN[kind])
    for words in ((two,), ("compare", one, two)):
        assert report(*words) == 2
        assert_one_line(capsys, "results.json must")


def test_the_join_shows_solver_and_stability_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for solver, share in (("adam", 0.54), ("exact", 0.71)):
        stable = [("resamples", 0.0499, share), ("seeds", 0.05, 0.99), ("resamples", 0.01, 0.11)]
        rows = [Row("oracle", "accuracy", 0.9, split="test", k=100, solver=solver)]
        rows += [Row("stability", "overlap", v, set="top", share=s, flags={"over": over}) for over, s, v in stable]
        (tmp_path / solver).mkdir()
        found = {"schema": 1, "status": "ok", "config": {}, "seconds": {"a": 61.0, "b": 2.0}}
        found["rows"] = [row.as_dict() for row in rows]
        (tmp_path / solver / "results.json").write_text(json.dumps(found))
    join([tmp_path], Console(width=200))
    shown = [line for line in capsys.readouterr().out.splitlines() if "adam" in line or "exact" in line]
    assert [re.findall(r"adam|exact|[\d.]+", line) for line in shown] == [
        ["adam", "1", "90.0", "54.0"], ["exact", "1", "90.0", "71.0"],
    ]  # fmt: skip


def test_foreign_settings_in_a_good_file_do_not_stop_the_join(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    folder = job("one", "a", **GOOD)
    content = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps({**content, "config": {"corpus": "mine", "model": [1]}}))
    assert report(folder) == 0


@pytest.mark.parametrize("words", [(), ("compare",), ("compare", "a"), ("a", "b"), ("--no-such",)])
def test_wrong_arguments_end_in_one_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert report(*words) == 2
    assert_one_line(capsys, "")


def assert_one_line(capsys: pytest.CaptureFixture[str], message: str) -> None:
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("error: "), said
    assert re.search(message, said[0]), said[0]


def test_jobs_of_other_primary_rankings_are_compared_by_their_tops(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = {f"ablation/zero/{name}/top-9": correct(rate, 3) for name, rate in (("lca", 0.8), ("mine", 0.6))}
    one, two = (job(name, units=UNITS, oracle=correct(0.9, 1), **arrays) for name in ("one", "two"))
    for folder, primary, metric in ((one, "lca", "accuracy"), (two, "mine", "macro_f1")):
        rows = [Row("oracle", "accuracy", 0.5, k=96), Row("ablation", "accuracy", 0.5, ranking=primary, set="top", k=9)]
        write_results(folder, assemble("ok", {"seed": 0, "metric": metric}, rows))
    found = compare(one, two, Console(width=200), one.parent / "both.html")
    page = (one.parent / "both.html").read_text(encoding="utf-8")
    assert "ablation/zero/lca/top-9 − mine" in page and f"{100 * found[0].value:+.1f} [" in page and "apart" in page
    assert found[0].probe == "ablation/zero/lca/top-9 − mine's" and found[0].value > 0.1
    assert {row.value for row in found[1:]} == {0.0}
    shown = " ".join(capsys.readouterr().out.split())
    assert "The primary rankings differ (lca, mine)" in shown and "A job goes by macro-F1" in shown
    assert report(two.parent) == 0
    assert "macro-F1" in capsys.readouterr().out
