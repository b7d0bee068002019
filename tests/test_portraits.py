"""Neurons one can look at: planted ones, real jobs, and what the command says of bad input."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
import torch
from rich.console import Console
from torch import Tensor

from neuronprobe import neuron_portraits, open_job
from neuronprobe.activations import Store
from neuronprobe.activations.store import StoreWriter
from neuronprobe.corpora import ConlluCorpus
from neuronprobe.errors import InputError
from neuronprobe.neurons import Neuron, NeuronTable, Segment
from neuronprobe.neurons.__main__ import main
from neuronprobe.portraits import Portrait, Side, Text, TintedSentence, TopWord, fragment, portray
from neuronprobe.portraits.html import page
from neuronprobe.portraits.terminal import ISOLATE, print_portraits
from neuronprobe.properties import DependencyPair, collect
from neuronprobe.report.page import write_report
from tests.test_page import CHROMIUM, browser
from tests.test_tracking import FEW
from tests.test_train import Run, chained, run  # noqa: F401 (a fixture)

LOOKED_AT = "+callbacks.portraits={_target_: neuronprobe.callbacks.Portraits, top: 4, words: 1000, fewest: 1}"
SENTENCES = [["the", "bank", "of", "the", "river"], ["she", "swam", "home"], ["a", "bank", "lends", "money"]] * 10
LABELS = {"bank": "NOUN", "river": "NOUN", "of": "ADP", "swam": "VERB", "lends": "VERB"}
WORDS = [word for sentence in SENTENCES for word in sentence]
TABLE = NeuronTable((Segment("residual", 0, 4), Segment("residual", 1, 4)))


def stored(folder: Path, activations: Tensor, table: NeuronTable = TABLE) -> Store:
    writer = StoreWriter(folder, {"made": "up"}, table, len(activations), "float32")
    writer.append(activations.split([segment.width for segment in table.segments], dim=1))
    writer.finish()
    return Store(folder, {"made": "up"})


def text() -> Text:
    names = ("NOUN", "ADP", "VERB", "X")
    labels = torch.tensor([names.index(LABELS.get(word, "X")) for word in WORDS])
    starts = torch.tensor([0, *map(len, SENTENCES)]).cumsum(0)[:-1]
    return Text(WORDS, starts, torch.arange(len(WORDS))[:, None], labels, names)


@pytest.fixture
def planted(tmp_path: Path) -> Store:
    """Neuron 1:1 fires on `bank` and is silenced by `of`; the others are noise, and 0:0 a constant."""
    activations = torch.randn(len(WORDS), 8, generator=torch.Generator().manual_seed(0))
    activations[:, 0] = 3.0
    activations[[i for i, word in enumerate(WORDS) if word == "bank"], 5] += 10
    activations[[i for i, word in enumerate(WORDS) if word == "of"], 5] -= 10
    return stored(tmp_path / "store", activations)


def test_a_planted_neuron_shows_the_word_that_it_fires_on(planted: Store) -> None:
    (found,) = portray(planted, TABLE, text(), torch.tensor([5]), {5: 3}, n_words=1)
    assert (found.neuron, found.rank, found.name) == (Neuron("residual", 1, 1), 3, "1:1")
    for side, word, label in ((found.excites, "bank", "NOUN"), (found.inhibits, "of", "ADP")):
        assert [top.word for top in (*side.by_mean, *side.by_extreme)] == [word, word]
        assert side.labels == {label: 1.0} and side.by_mean[0].label == label
        assert all(word in sentence.words for sentence in side.sentences) and len(side.sentences) == 3
    shown = found.excites.sentences[0]
    assert shown.words[max(range(len(shown.words)), key=lambda i: shown.scores[i])] == "bank"
    assert found.excites.by_mean[0].count == 20


def test_scores_are_z_scores_over_all_words(planted: Store) -> None:
    values = planted.gather(torch.arange(len(WORDS))[:, None])[:, 6].double().numpy()
    scores = (values - values.mean()) / values.std()
    (found,) = portray(planted, TABLE, text(), torch.tensor([6]), n_words=99)
    seen = {top.word: top for side in (found.excites, found.inhibits) for top in side.by_mean}
    assert set(seen) == set(WORDS)
    for word, top in seen.items():
        own = scores[[i for i, other in enumerate(WORDS) if other == word]]
        assert top.mean == pytest.approx(own.mean(), abs=1e-3) and top.count == len(own)
        assert top.magnitude == pytest.approx(abs(own).mean(), abs=1e-3)
        assert top.extreme == pytest.approx(own.max() if own.mean() > 0 else own.min(), abs=1e-3)
    assert (found.mean, found.deviation) == pytest.approx((values.mean(), values.std()), rel=1e-5)
    for side in (found.excites, found.inhibits):
        ordered = [top.magnitude for top in side.by_mean]
        assert ordered == sorted(ordered, reverse=True)
        furthest = [abs(top.extreme) for top in side.by_extreme]
        assert furthest == sorted(furthest, reverse=True)


def test_rare_words_are_in_the_list_by_maximum_alone_and_constants_in_none(planted: Store) -> None:
    rare, constant = portray(planted, TABLE, text(), torch.tensor([5, 0]), fewest=21)
    assert {top.word for top in rare.excites.by_mean} <= {"the"}
    assert rare.excites.by_extreme[0].word == "bank"
    assert constant.excites == constant.inhibits == Side((), (), {}, ())


def test_many_neurons_come_back_in_their_order(tmp_path: Path) -> None:
    table = NeuronTable((Segment("residual", 0, 90), Segment("residual", 1, 60)))
    activations = torch.randn(len(WORDS), 150, generator=torch.Generator().manual_seed(0))
    for neuron in range(150):
        activations[WORDS.index(sorted(set(WORDS))[neuron % 10]), neuron] += 50
    order = torch.randperm(150, generator=torch.Generator().manual_seed(1))
    found = portray(stored(tmp_path / "store", activations, table), table, text(), order)
    assert [table.flat(portrait.neuron) for portrait in found] == order.tolist()
    tops = [portrait.excites.by_extreme[0].word for portrait in found]
    assert tops == [sorted(set(WORDS))[neuron % 10] for neuron in order.tolist()]


def test_some_columns_of_a_store_are_those_that_batches_have(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    means = torch.tensor([0.0, 4_000, 1, 900])
    writer = StoreWriter(tmp_path / "s", {"made": "up"}, TABLE, 5_000, "float16")
    writer.append([torch.randn(5_000, 4, generator=generator) + means, torch.randn(5_000, 4, generator=generator)])
    assert writer.settle()
    writer.finish()
    store = Store(tmp_path / "s", {"made": "up"})
    assert json.loads((tmp_path / "s" / "index.json").read_text())["shifted"], "some are stored otherwise"
    chosen = torch.tensor([6, 1, 3, 0])
    torch.testing.assert_close(store.columns(chosen), store.gather(torch.arange(5_000)[:, None])[:, chosen])


def test_a_neuron_in_a_role_shows_the_words_in_that_role(tmp_path: Path) -> None:
    """`bank` is a head in half of its occurrences, `river` a modifier alone."""
    activations = torch.zeros(len(WORDS), 8)
    activations[[i for i, word in enumerate(WORDS) if word == "bank"], 2] = 5
    activations[[i for i, word in enumerate(WORDS) if word == "river"], 2] = 9
    heads = [i for i, word in enumerate(WORDS) if word == "bank"]
    pairs = torch.tensor([(head, head - 1) for head in heads] + [(head, head + 3) for head in heads[::2]])
    pairs = pairs[[i for i, (_, modifier) in enumerate(pairs.tolist()) if modifier < len(WORDS)]]
    whole = Text(WORDS, text().starts, pairs, torch.zeros(len(pairs), dtype=torch.long), ("det",))
    roles = TABLE.with_roles(("head", "modifier"))
    head, modifier = portray(stored(tmp_path / "store", activations), roles, whole, torch.tensor([2, 10]))
    assert (head.name, modifier.name) == ("head:0:2", "modifier:0:2")
    assert [top.word for top in head.excites.by_extreme] == ["bank"]
    assert modifier.excites.by_extreme[0].word == "river" and modifier.excites.by_extreme[0].label == "det"


class Page(HTMLParser):
    """What a page holds: texts by the tag that they stand in, attributes by tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: dict[str, list[dict[str, str | None]]] = {}
        self.feed(page)
        assert not self.open, f"{self.open} not closed"

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.attributes.setdefault(tag, []).append(dict(attrs))
        if tag not in ("input", "meta", "!doctype"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)


def portrait_of(*words: str) -> Portrait:
    top = tuple(TopWord(word, 3, "<N>", 2.0, 2.0, 4.0) for word in words)
    scores = tuple(5.0 - 2 * i for i in range(len(words)))
    side = Side(top, top, {"<N>": 1.0}, (TintedSentence(words, scores),))
    return Portrait(Neuron("mlp", 3, 17, "head"), 1, 0.0, 1.0, side, Side((), (), {}, ()))


def test_a_page_tints_words_in_any_direction_and_is_searched_by_neuron_word_and_label() -> None:
    shown = Page(fragment([portrait_of("<script>", "שלום", "c&a", "d")]))
    assert "<script>" in shown.texts["mark"] and shown.texts["bdi"][1] == "שלום", "escaped, and in order"
    (sentence,) = [own for own in shown.attributes["p"] if "dir" in own]
    assert sentence["dir"] == "auto"
    tinted = shown.attributes["mark"][3:]
    assert [own["class"] for own in tinted] == ["up", "up", "up", "down"]
    assert [own["style"] for own in tinted] == ["--z:1.00", "--z:0.75", "--z:0.25", "--z:0.25"]
    (one,) = shown.attributes["details"]
    assert {"head:mlp:3:17", "שלום", "<n>", "c&a"} <= set((one["data-search"] or "").split("\x01"))
    given = {name for own in shown.attributes.values() for one in own for name in one}
    assert not {"src", "href"} & given, "needs nothing"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page in")
def test_the_search_of_a_page_works_in_a_browser(tmp_path: Path) -> None:
    found = [portrait_of("bank", "river"), replace(portrait_of("שלום"), neuron=Neuron("residual", 1, 2))]
    asked = {"": 2, "head:mlp:3:17": 1, "riv": 1, "שלום": 1, "<n>": 2, "bank nothing": 0}
    script = """<script>
      const field = document.querySelector("input"), seen = [];
      for (const words of ASKED) {
        field.value = words;
        field.dispatchEvent(new Event("input"));
        seen.push(document.querySelectorAll("details:not([hidden])").length);
      }
      document.body.innerHTML = "<pre>" + JSON.stringify(seen) + "</pre>";
    </script></body>""".replace("ASKED", json.dumps(list(asked)))
    path = tmp_path / "page.html"
    path.write_text(page(found).replace("</body>", script), encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--enable-logging=stderr", "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert f"<pre>{json.dumps(list(asked.values()), separators=(',', ':'))}</pre>" in done.stdout, done.stderr
    assert "CONSOLE" not in done.stderr, "no error is written to the console"


def test_a_terminal_tints_words_and_without_colours_scores_stand_behind_them() -> None:
    shown = {}
    for system in ("truecolor", None):
        file = StringIO()
        print_portraits(
            Console(file=file, width=120, color_system=system, force_terminal=bool(system)),  # type: ignore[arg-type]
            [portrait_of("a", "שלום", "c")],
        )
        shown[system] = file.getvalue()
    assert "48;2;230;97;1m" in shown["truecolor"] and "(+5.0)" not in shown["truecolor"]
    assert "a(+5.0)" in shown[None] and "c(+1.0)" not in shown[None] and "c" in shown[None]
    assert f"{ISOLATE}שלום" in shown[None] and f"{ISOLATE}a" not in shown[None]


def test_the_command_shows_neurons_of_a_job_without_its_model(
    run: Run,  # noqa: F811
    tmp_path: Path,
    small_treebank: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train = tmp_path / "train.conllu"
    shutil.copy(small_treebank["train"], train)
    job = tmp_path / "Läufe zu 5 %"
    own = {"hydra__run__dir": f"'{job}'", "callbacks__ranking__salient": 0.05, "callbacks": None}
    assert run(corpus__train=train, **{**FEW, **own}) == 0
    monkeypatch.setattr("neuronprobe.models.FrozenTransformer.__init__", lambda *_, **__: 1 / 0)
    check_page(job, capsys.readouterr().out)
    assert (
        main([str(job), "1:17", "--top", "2", "--json", str(tmp_path / "n.json"), "--html", str(tmp_path / "n.html")])
        == 0
    )
    shown = capsys.readouterr().out
    first = next(iter(open_job(job).rankings.values()))[:2]
    found = neuron_portraits(job, ["1:17"], top=2)
    assert [portrait.neuron for portrait in found] == [*first, Neuron("residual", 1, 17)]
    assert [portrait.rank for portrait in found][:2] == [1, 2]
    assert json.loads((tmp_path / "n.json").read_text()) == json.loads(json.dumps([asdict(one) for one in found]))
    assert len(Page((tmp_path / "n.html").read_text()).attributes["details"]) == 3
    words = {word for sentence in ConlluCorpus(**small_treebank).sentences("train") for word in sentence.words}
    for portrait in found:
        assert portrait.name in shown and {top.word for top in portrait.excites.by_mean} <= words
    (asked,) = neuron_portraits(job, [Neuron("residual", 0, 3)])
    assert asked.neuron == Neuron("residual", 0, 3) and len(neuron_portraits(job)) == 10

    bad = {
        "3:1": "layer of 0 to 2", "1:32": "index of 0 to 31", "seventeen": "LAYER:INDEX", "mlp:1:1": "residual",
        "1:-1": "LAYER:INDEX",
    }  # fmt: skip
    for asked, said in bad.items():
        assert said in refused(capsys, str(job), asked) and repr(asked) in refused(capsys, str(job), asked)
    assert "results.json" in refused(capsys, str(tmp_path / "nowhere"))

    content = json.loads((job / "results.json").read_text())
    other = {**content, "config": {**content["config"], "allow_targets": ["fractions."]}}
    other["config"] = {**other["config"], "property": {"_target_": "fractions.Fraction"}}
    (job / "results.json").write_text(json.dumps(other))
    assert "allow_targets" in refused(capsys, str(job)), "a job's file does not say what may be constructed"
    (job / "results.json").write_text(json.dumps(content))
    train.write_text(train.read_text().replace("\tthe\t", "\ta\t", 2))
    assert "got another by now" in refused(capsys, str(job))
    shutil.copy(small_treebank["train"], train)
    (tmp_path / "store").rename(tmp_path / "moved")
    assert "--store" in refused(capsys, str(job))
    assert neuron_portraits(job, ["1:17"], store=tmp_path / "moved")[0] == found[2]
    page = (job / "report.html").read_text(encoding="utf-8")
    assert write_report(open_job(job)).read_text(encoding="utf-8") == page, "made again without store and corpus"


def check_page(job: Path, shown: str) -> None:
    """The link that the summary prints leads to the page, which has the most salient neurons of the job."""
    found = open_job(job).portraits
    assert found == neuron_portraits(job, top=30)
    page = (job / "report.html").read_text(encoding="utf-8")
    assert fragment(found) in page and len(found) == 30
    table = next(table for table in open_job(job).tables if "respond to" in table.heading)
    for line, portrait in zip(table.body, found, strict=True):
        assert line[1] == portrait.name and line[2].split(" · ") == [top.word for top in portrait.excites.by_mean[:5]]
    (link,) = re.findall(r"^report: (file://\S+)$", shown, re.MULTILINE)
    assert Path(url2pathname(urlsplit(link).path)) == job / "report.html"
    if CHROMIUM is not None:
        assert "<title>upos in conllu" in browser("--dump-dom", link)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that bad input ends in."""
    assert main(words) == 2
    shown = capsys.readouterr()
    (said,) = shown.err.splitlines()
    assert said.startswith("error: ") and not shown.out
    return said


def test_pairs_of_words_show_heads_and_modifiers(
    run: Run,  # noqa: F811
    tmp_path: Path,
    small_treebank: dict[str, str],
) -> None:
    treebank = chained(small_treebank, tmp_path)
    files = {f"corpus__{split}": path for split, path in treebank.items()}
    assert run(LOOKED_AT, property="dependency_pair", **files, **FEW) == 0
    looked_at = {portrait.name: portrait for portrait in open_job(tmp_path / "job").portraits}
    (asked,) = neuron_portraits(tmp_path / "job", list(looked_at)[:1], words=1000, fewest=1)
    assert len(looked_at) == 4 and replace(looked_at[asked.name], rank=None) == asked
    assert {name.split(":")[0] for name in looked_at} <= {"head", "modifier"}
    with pytest.raises(InputError, match="NEURON must be named"):
        neuron_portraits(tmp_path / "job")
    head, modifier = neuron_portraits(tmp_path / "job", ["1:3"], words=1000, fewest=1, store=tmp_path / "store")
    assert (head.name, modifier.name) == ("head:1:3", "modifier:1:3")
    (only,) = neuron_portraits(tmp_path / "job", ["modifier:1:3"], words=1000, fewest=1)
    assert only == modifier
    sentences = list(ConlluCorpus(**treebank).sentences("train"))
    words = [word for sentence in sentences for word in sentence.words]
    units = collect(DependencyPair().units(iter(sentences)))
    for part, portrait in enumerate((head, modifier)):
        shown = {top.word for side in (portrait.excites, portrait.inhibits) for top in side.by_extreme}
        assert shown <= {words[row] for row in units.rows[:, part].tolist()}
        assert set(portrait.excites.labels) <= set(units.names)
    assert "the" in {top.word for side in (modifier.excites, modifier.inhibits) for top in side.by_extreme}


def test_sentences_are_shown_where_they_are_what_has_activations(tmp_path: Path) -> None:
    forms = [" ".join(words) for words in SENTENCES[:3]]
    sentences = Text(forms, torch.arange(3), torch.arange(3)[:, None], torch.tensor([0.5, 0.1, 0.2]), ())
    activations = torch.zeros(3, 8)
    activations[1, 4] = 1
    (found,) = portray(stored(tmp_path / "s", activations), TABLE, sentences, torch.tensor([4]), n_sentences=1)
    assert [top.word for top in found.excites.by_extreme] == ["she swam home"] and found.excites.labels == {}
    assert found.excites.sentences == (TintedSentence(("she swam home",), (found.excites.by_extreme[0].extreme,)),)


def test_a_job_without_a_store_says_so(run: Run, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(InputError, match=r"results\.json"):
        neuron_portraits(tmp_path)
    assert run(LOOKED_AT, activations="live", activations__folder=None, **FEW) == 0
    assert not (tmp_path / "job" / "portraits.json").exists()
    assert "No neurons are shown: the activations" in (tmp_path / "job" / "report.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="activations=store"):
        neuron_portraits(tmp_path / "job", ["1:17"])


@pytest.mark.parametrize("prop", ["frequency_band", "word_length"])
def test_a_property_that_learns_from_train_and_one_of_numbers_have_portraits(
    run: Run,  # noqa: F811
    tmp_path: Path,
    prop: str,
) -> None:
    assert run(LOOKED_AT, property=prop, **FEW) == 0
    found = open_job(tmp_path / "job").portraits
    asked = neuron_portraits(tmp_path / "job", [portrait.name for portrait in found], words=1000, fewest=1)
    assert [replace(portrait, rank=None) for portrait in found] == asked
    assert [portrait.rank for portrait in found] == [1, 2, 3, 4]
    assert bool(found[0].excites.labels) == (prop == "frequency_band")


def test_only_earned_neurons_have_portraits(run: Run, tmp_path: Path) -> None:  # noqa: F811
    sparse = {"probe": "exact", "probe__l1_shares": "[0.7]", "probe__l1": None, "probe__batch_size": None}
    ranked = "+callbacks.ranking={_target_: neuronprobe.callbacks.NeuronRanking, salient: 0.05}"
    assert run(LOOKED_AT.replace("top: 4", "top: 30"), ranked, **{**FEW, **sparse}) == 0
    with (tmp_path / "job" / "ranking.csv").open(encoding="utf-8", newline="") as file:
        earned = [line["earned"] for line in csv.DictReader(file)].count("true")
    assert 0 < earned < 30 and len(open_job(tmp_path / "job").portraits) == earned
