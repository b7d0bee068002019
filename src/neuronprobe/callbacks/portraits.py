"""Neurons one can look at: the words that excite and inhibit the most salient ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytorch_lightning as pl

from neuronprobe.activations import ActivationsDataModule, Store
from neuronprobe.callbacks.study import StudyCallback, search_of
from neuronprobe.errors import whole_number
from neuronprobe.portraits import Portrait, Side, Text, forms_of, portray
from neuronprobe.shown import Table
from neuronprobe.studies import Trained
from neuronprobe.types import Result

SPLIT = "train"
SHOWN = 5
"""Words of a side in the table."""


class Portraits(StudyCallback):
    """Portraits of the most salient neurons, which the page shows; read from the store, none where it is live.

    They are in `portraits.json` too, as data. No numbers: a portrait is to be looked at.
    """

    name = "portraits"

    def __init__(self, top: int = 30, words: int = 10, sentences: int = 3, fewest: int = 2) -> None:
        """Of the `top` most salient neurons (earned ones), so many words and sentences on each side; words that occur
        fewer than `fewest` times are not in the lists by mean.
        """
        super().__init__()
        self._top = whole_number("callbacks.portraits.top", top, 1)
        given = {"words": words, "sentences": sentences, "fewest": fewest}
        checked = [whole_number(f"callbacks.portraits.{name}", n) for name, n in given.items()]
        self._settings = dict(zip(("n_words", "n_sentences", "fewest"), checked, strict=True))

    def run(self, trainer: pl.Trainer, bank: Any) -> Result:
        """Look at the neurons: no forward pass."""
        data: ActivationsDataModule = trainer.datamodule  # type: ignore[attr-defined]
        store = data.store(SPLIT)
        found = [] if store is None else self._portraits(search_of(trainer).trained, data, store)
        if not found:
            return Result(())
        content = json.dumps([asdict(portrait) for portrait in found], ensure_ascii=False)
        return Result((), tables=(_table(found),), files={"portraits.json": content.encode()})

    def _portraits(self, trained: Trained, data: ActivationsDataModule, store: Store) -> list[Portrait]:
        sentences = (forms_of(sentence, data.prop.level) for sentence in data.corpus.sentences(SPLIT))
        text = Text.of(sentences, data.contents[SPLIT].units, store.dropped)
        chosen = trained.ranking.order[: min(self._top, trained.ranking.earned)]
        ranks = {flat: rank for rank, flat in enumerate(chosen.tolist(), 1)}
        return portray(store, trained.table, text, chosen, ranks, **self._settings)


def _table(found: Sequence[Portrait]) -> Table:
    """A line for each neuron: the words of both sides and, where there are labels, the one that most of them have."""
    has_labels = any(side.labels for one in found for side in (one.excites, one.inhibits))
    mostly = ("mostly",) if has_labels else ()
    body = tuple((str(one.rank), one.name, *(text for side in (one.excites, one.inhibits)
                 for text in _words(side)[: 1 + has_labels])) for one in found)  # fmt: skip
    header = ("rank", "neuron", "excited by", *mostly, "inhibited by", *mostly)
    note = f"Words of {SPLIT} by the mean |z| of their occurrences"
    note += ", and the most frequent label among these." if has_labels else "."
    return Table("What the most salient neurons respond to", header, body, (note,), on_screen=False)


def _words(side: Side) -> tuple[str, str]:
    label, share = next(iter(side.labels.items()), ("", 0.0))
    return " · ".join(top.word for top in side.by_mean[:SHOWN]), f"{label} {share:.0%}" if label else ""
