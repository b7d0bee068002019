"""The page of a job: self-contained, and as a browser shows it; pictures beside it; what studies give it to show."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import asdict
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from neuronprobe.errors import InputError
from neuronprobe.jobs import Job, open_job
from neuronprobe.jobs.files import PICTURES, assemble, write_results
from neuronprobe.neurons import Neuron
from neuronprobe.portraits import Portrait, Side, TintedSentence, TopWord
from neuronprobe.report import figures
from neuronprobe.report.figures import chart
from neuronprobe.report.numbers import numbers
from neuronprobe.report.page import OLD, write_report
from neuronprobe.shown import Figure, Series, Table
from neuronprobe.studies.curves import set_figure, set_table
from neuronprobe.types import Row
from neuronprobe.writing import write_json

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
ODD = 'ל <b>"X"</b> & </script>'
FIGURES = (
    Figure("curves", "Curves", "kept, %", "accuracy, %", (
        Series("top", (1.0, 10.0), (50.0, 90.0), (45.0, 88.0), (55.0, 92.0), (False, True)),
        Series("missing", (), ()),
        Series(ODD, (1.0, 10.0), (20.0, None)),
        Series("all", (), (95.0,), mark="level"),
    ), log=True, limits=(0, 100), note="Hollow: a note."),
    Figure("bars", "Bars", "layer", "neurons", (Series("salient", ("0", "1"), (3, 4), mark="bar"),)),
    Figure("cells", "Cells", "predicted", "label", (
        Series("A", ("A", "B"), (1.0, 2.0), flagged=(True, False), mark="cell"),
        Series("B", ("A", "B"), (None, 0.5), mark="cell"),
    ), "%"),
)  # fmt: skip
TABLES = (
    Table("Short", ("name", "n"), ((ODD, "1"),), ("A note.",)),
    Table("Long", ("n",), tuple((str(i),) for i in range(40))),
)


def portrait(index: int, word: str, label: str, rank: int) -> Portrait:
    top = (TopWord(word, 3, label, 2.0, 2.0, 4.0),)
    excites = Side(top, top, {label: 1.0}, (TintedSentence((word, "</script>"), (4.0, -1.0)),))
    return Portrait(Neuron("residual", 1, index), rank, 0.0, 1.0, excites, Side((), (), {}, ()))


PORTRAITS = (portrait(17, "bank", "NOUN", 1), portrait(3, "שלום", "INTJ", 2))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    shown = {"tables": [asdict(table) for table in TABLES], "figures": [asdict(figure) for figure in FIGURES]}
    config = {"seed": 0, "corpus": {"name": ODD}, "folder": "${folder}"}
    write_results(tmp_path, assemble("ok", config, title=f"upos in {ODD}", verdict="Top beats all.",
                                     remarks=["said of it."], **shown))  # fmt: skip
    write_json(tmp_path / "portraits.json", [asdict(one) for one in PORTRAITS])
    return open_job(tmp_path)


def test_a_page_is_one_file_with_everything_in_it(job: Job) -> None:
    page = write_report(job).read_text(encoding="utf-8")
    assert figures.library() in page
    page = page.replace(figures.library(), "")
    assert re.findall(r"<(?:link|img|iframe|script)[^>]*(?:src|href)=", page) == [], "nothing is fetched"
    assert "Top beats all." in page and "Said of it." in page and "A note." in page
    assert ODD not in page and "&lt;b&gt;" in page, "what is data is no markup"
    assert page.count("</script>") == page.count("<script>") == 3
    assert page.count("<details>") == 2 and page.count('<details class="table">') == 1
    assert page.count('<details class="numbers">') == len(FIGURES) and page.count("<details data-search") == 2
    assert "${folder}" in page and "neuronprobe:" not in page.split("<pre>")[0]


def test_each_figure_lies_beside_the_page_in_three_formats(job: Job) -> None:
    write_report(job)
    begins = {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}
    for figure in FIGURES:
        for ending in PICTURES:
            assert (job.folder / f"{figure.name}.{ending}").read_bytes().startswith(begins[ending])
    svg = (job.folder / "curves.svg").read_text(encoding="utf-8")
    for said in ("kept, %", "accuracy, %", "Curves", "Hollow: a note.", "top", "all"):
        assert f">{said}</text>" in svg
    assert "missing" not in svg


def test_a_series_that_is_not_there_keeps_its_colour_free() -> None:
    (line,) = [layer for layer in chart(FIGURES[0])["layer"] if layer["mark"].get("type") == "line"]
    scale = line["encoding"]["color"]["scale"]
    assert scale == {"domain": ["top", ODD], "range": [figures.COLORS[0], figures.COLORS[2]]}


def test_the_numbers_of_a_figure_are_a_table_too() -> None:
    curves, bars, cells = map(numbers, FIGURES)
    assert curves.header == ("kept, %", "top", ODD)
    assert curves.body == (("1", "50 [45, 55]", "20"), ("10", "90* [88, 92]", "-"))
    assert curves.notes == ("all: 95", "* Hollow: a note.")
    assert (bars.header, bars.body) == (("layer", "salient"), (("0", "3"), ("1", "4")))
    assert (cells.header, cells.body) == (("label", "A", "B"), (("A", "1*", "2"), ("B", "-", "0.5")))


def test_numbers_on_a_line_stand_in_their_order() -> None:
    series = (Series("a", (5, 1), (0.5, 0.123456)), Series("b", (3,), (1,)))
    assert numbers(Figure("f", "F", "n", "y", series)).body == (
        ("1", "0.1235", "-"), ("3", "-", "1"), ("5", "0.5", "-"),
    )  # fmt: skip


def test_neurons_are_read_back_as_they_were_written(job: Job) -> None:
    assert tuple(job.portraits) == PORTRAITS
    (job.folder / "portraits.json").write_text('[{"neuron": {}}]', encoding="utf-8")
    with pytest.raises(InputError, match=r"portraits\.json must be portraits of a job's neurons, got"):
        _ = open_job(job.folder).portraits


@pytest.mark.parametrize(
    ("config", "said"), [({"activations": {"live": True}}, "activations=store"), ({}, "neuronprobe.neurons JOB")]
)
def test_a_page_without_neurons_says_why(config: dict[str, Any], said: str, tmp_path: Path) -> None:
    write_results(tmp_path, assemble("ok", config, figures=[]))
    page = write_report(open_job(tmp_path)).read_text(encoding="utf-8")
    (why,) = re.findall(r"No neurons are shown: [^<]+", page)
    assert said in why and "data-search" not in page and 'href="#neurons"' not in page


def test_the_numbers_of_bars_stand_beyond_their_ends() -> None:
    bars = Figure("b", "B", "x", "y", (Series("s", ("a", "b"), (2, -3), (1, -4), (3, -2), mark="bar"),))
    svg = vl_convert.vegalite_to_svg(chart(bars), vl_version=figures.VEGA_LITE).split("mark-text role-mark")[1]
    found = {text: float(y) for y, text in re.findall(r"translate\([^,]+,([^)]+)\)[^>]*>([^<]+)</text>", svg)}
    assert found["2"] < 0 and found["−3"] > figures.SIZE["height"], "the ends of the axis are those of the intervals"


def test_a_job_of_old_says_so_on_its_page(tmp_path: Path) -> None:
    write_results(tmp_path, assemble("ok", {}, verdict="Held."))
    page = write_report(open_job(tmp_path)).read_text(encoding="utf-8")
    assert OLD in page and "Held." in page and '<h2 id="figures">' not in page


def subset(which: str, k: int, value: float, ranking: str = "lca", **flags: Any) -> Row:
    metric = "mean_accuracy" if which == "random" else "accuracy"
    low, high = (None, None) if which == "random" else (value - 0.01, value + 0.01)
    return Row(
        "ablation", metric, value, ranking=ranking, set=which, k=k, share=k / 100, low=low, high=high, flags=flags
    )


def test_sets_become_a_line_for_each_size_and_a_curve_for_each_set() -> None:
    draws = {"n_draws": 199, "least": 0.1, "most": 0.6}
    gain = Row("ablation", "accuracy_difference", 0.4, ranking="lca", set="top", k=10, share=0.1, low=0.3, high=0.5,
               flags={"against": "random", "p": 0.005, "n_draws": 199})  # fmt: skip
    rows = [subset("top", 20, 0.9), subset("top", 10, 0.8, not_earned=2), subset("random", 10, 0.4, **draws), gain,
            subset("top", 10, 0.7, "other"), subset("bottom", 10, 0.2, "other")]  # fmt: skip
    table = set_table(rows, "accuracy", "Kept")
    assert table.heading == "Kept: accuracy on test, %"
    assert table.header == ("neurons", "top", "random", "top by other", "top − random")
    assert table.body == (
        ("10 % (10)", "80.0‡ [79.0, 81.0]", "40.0 (199)", "70.0 [69.0, 71.0]", "40.0 [30.0, 50.0], p = 0.005"),
        ("20 % (20)", "90.0 [89.0, 91.0]", "-", "-", "-"),
    )
    assert len(table.notes) == 1 and table.notes[0].startswith("‡")
    figure = set_figure(rows, "accuracy", "Kept", "kept", {"all neurons": 0.95})
    curves = {series.name: series for series in figure.series if series.x}
    assert (curves["top by lca"].x, curves["top by lca"].flagged) == ((10.0, 20.0), (True, False))
    assert curves["top by lca"].y == pytest.approx((80, 90)) and curves["top by lca"].low == pytest.approx((79, 89))
    assert curves["random (mean, range of draws)"].high == pytest.approx((60,)) and "top by other" in curves
    assert figure.series[-1] == Series("all neurons", (), (95.0,), mark="level")
    assert figure.limits == (0, 100) and figure.note.startswith("Hollow")


@pytest.mark.parametrize(
    "wrong", [{"y": (1.0,)}, {"low": (1.0,), "high": (1.0,)}, {"flagged": (True,)}, {"mark": "dot"}]
)
def test_a_series_that_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"series"):
        Series(**{"name": "a", "x": (1.0, 2.0), "y": (1.0, 2.0), **wrong})


WATCH = """<script>window.said = [];
addEventListener("error", one => said.push(one.message));
addEventListener("unhandledrejection", one => said.push(String(one.reason)));
for (const how of ["error", "warn"]) console[how] = (...what) => said.push(what.join(" "));</script>"""
LOOK = """<script>addEventListener("load", () => setTimeout(() => {
  const color = () => getComputedStyle(document.body).backgroundColor, ink = () => getComputedStyle(
    document.querySelector("#curves svg text")).fill;
  const before = [color(), ink()], button = document.getElementById("theme"), label = button.textContent;
  button.click();
  const after = [color(), ink()], next = button.textContent;
  dispatchEvent(new Event("beforeprint"));
  const field = document.querySelector(".neurons input"), names = {};
  for (const asked of ASKED) {
    field.value = asked;
    field.dispatchEvent(new Event("input"));
    names[asked] = [...document.querySelectorAll(".neurons details:not([hidden]) b")].map(one => one.textContent);
  }
  const walked = {}, heard = document.getElementById("spoken");
  for (const room of document.querySelectorAll(".chart")) {
    room.focus();
    const press = key => {
      room.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
      return heard.innerText;
    };
    walked[room.id] = [document.activeElement === room, ...["ArrowRight", "ArrowRight", "ArrowLeft"].map(press)];
  }
  const numbers = document.querySelector(".numbers summary"), tabbed = numbers.tabIndex === 0;
  const found = {said, names, walked, tabbed, before, after, label, next,
    svgs: document.querySelectorAll(".chart svg.marks").length,
    titles: [...document.querySelectorAll("#curves svg text")].map(one => one.textContent),
    open: [...document.querySelectorAll("details.table")].every(one => one.open),
    fits: document.documentElement.scrollWidth <= innerWidth, width: innerWidth};
  document.body.innerHTML = "<pre id=found></pre>";
  document.getElementById("found").textContent = JSON.stringify(found);
}, 2000));</script></body>"""


ASKED = {"": ["1:17", "1:3"], "1:3": ["1:3"], "ban": ["1:17"], "שלום": ["1:3"], "intj": ["1:3"], "bank intj": []}
"""What is searched for, and the neurons that are left."""


def browser(*words: str) -> str:
    switches = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000")
    run = subprocess.run([str(CHROMIUM), *switches, *words], capture_output=True, text=True, check=True, timeout=300)
    return run.stdout


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page in")
@pytest.mark.parametrize("size", ["1200,900", "500,900"])
def test_a_browser_opens_the_page_without_a_word_and_switches_its_theme(job: Job, size: str, tmp_path: Path) -> None:
    page = write_report(job).read_text(encoding="utf-8")
    watched = tmp_path / "watched.html"
    inside, _, behind = page.replace("<head>", f"<head>{WATCH}", 1).rpartition("</body>")
    look = LOOK.replace("ASKED", json.dumps(list(ASKED)))
    watched.write_text(f"{inside}{look}{behind}", encoding="utf-8")
    shown = browser(f"--window-size={size}", "--dump-dom", watched.as_uri())
    found = json.loads(unescape(shown.split('<pre id="found">')[1].split("</pre>")[0]))
    assert found["said"] == [] and found["svgs"] == len(FIGURES)
    assert (found["label"], found["next"]) == ("dark", "light")
    assert found["before"][0] == "rgb(255, 255, 255)" and found["after"][0] != found["before"][0]
    assert found["after"][1] != found["before"][1], "the charts' text takes the theme's colour"
    assert {"kept, %", "accuracy, %", ODD} <= set(found["titles"])
    assert found["open"] and found["fits"], f"{found['width']} px"
    assert found["names"] == ASKED
    assert set(found["walked"]) == {figure.name for figure in FIGURES} and found["tabbed"]
    for focused, first, second, back in found["walked"].values():
        assert focused and first == back != second, "arrow keys go from mark to mark and back"
    assert all(said in found["walked"]["curves"][1] for said in ("top", "50", "45"))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to print the page with")
def test_the_page_prints(job: Job, tmp_path: Path) -> None:
    printed = tmp_path / "printed.pdf"
    browser(f"--print-to-pdf={printed}", write_report(job).as_uri())
    assert printed.read_bytes().startswith(b"%PDF")
    if shutil.which("pdftotext") is None:
        pytest.skip("its text is read by pdftotext, which is not installed")
    text = subprocess.run(["pdftotext", "-layout", printed, "-"], capture_output=True, text=True, check=True).stdout
    assert "Top beats all." in text and "accuracy, %" in text and re.search(r"^\s*39$", text, re.MULTILINE)
    assert not {"Find a neuron", "Numbers\n", "to the content"} & set(text.splitlines()) and "1:17" in text
