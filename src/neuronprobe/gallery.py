"""The portraits of a finished job's neurons, from its store and its corpus: no model is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from omegaconf import OmegaConf

from neuronprobe.activations import Store
from neuronprobe.activations.files import StoreError
from neuronprobe.activations.store import store_name
from neuronprobe.build import construct
from neuronprobe.corpora import SPLITS, Forms
from neuronprobe.errors import InputError, choice, whole_number
from neuronprobe.jobs import Job, open_job
from neuronprobe.neurons import Neuron, NeuronTable
from neuronprobe.portraits import Portrait, Text, forms_of, portray
from neuronprobe.properties import collect
from neuronprobe.types import Sentence


def neuron_portraits(
    job: Job | str | Path, neurons: Sequence[str | Neuron] = (), top: int | None = None, split: str = "train",
    store: str | Path | None = None, words: int = 10, sentences: int = 3, fewest: int = 2,
    allow_targets: Sequence[str] = (),
) -> list[Portrait]:  # fmt: skip
    """The `top` most salient neurons of the primary ranking (10, unless `neurons` are asked for), then those asked for.

    A neuron is asked for as `3:17` (layer, index), `mlp:3:17` (site) or `head:3:17` (role). `words` that occur fewer
    than `fewest` times are not in the lists by mean. `store` is the folder of stores, where it is not the job's.
    `allow_targets` are packages of a corpus or property from outside: the job's own word is not taken for it. Raises
    InputError where the store is gone, the corpus is another by now, or there is no such neuron.
    """
    job = job if isinstance(job, Job) else open_job(job)
    choice("split", split, SPLITS)
    for name, value in (("words", words), ("sentences", sentences), ("fewest", fewest), ("top", top or 0)):
        whole_number(name, value)
    asked = [flat for one in neurons for flat in _flats(job.table, one)]
    order = [job.table.flat(neuron) for neuron in next(iter(job.rankings.values()), [])]
    n_top = (0 if asked else 10) if top is None else top
    chosen = list(dict.fromkeys([*order[:n_top], *asked]))
    if not chosen:
        raise InputError(
            "NEURON must be named for a job without a study of its ranking, got none; name some as LAYER:INDEX (3:17)."
        )
    ranks = {flat: position for position, flat in enumerate(order, 1)}
    opened = _open_store(job, split, None if store is None else Path(store))
    text = _read(job, split, opened, allow_targets)
    return portray(opened, job.table, text, torch.tensor(chosen, dtype=torch.long), ranks, words, sentences, fewest)


def _flats(table: NeuronTable, asked: str | Neuron) -> list[int]:
    """The flat indices of `[site or role:]layer:index`; one for each role where none is named."""
    if isinstance(asked, Neuron):
        return [table.flat(asked)]
    *names, layer, index = asked.split(":") if asked.count(":") else ("", "", "")
    fitting = [
        (start, segment) for start, segment in zip(table.starts, table.segments, strict=False)
        if str(segment.layer) == layer and all(name in (segment.site, segment.role) for name in names)
        and index.isdecimal() and int(index) < segment.width
    ]  # fmt: skip
    if not fitting or len({segment.site for _, segment in fitting}) > 1:
        layers = sorted({segment.layer for segment in table.segments})
        sites = ", ".join(dict.fromkeys(name for s in table.segments for name in (s.site, s.role) if name))
        widest = max(segment.width for segment in table.segments) - 1
        raise InputError(
            f"neuron must be LAYER:INDEX, with a layer of {layers[0]} to {layers[-1]} and an index of 0 to {widest}, "
            f"behind one of {sites} where several have it (SITE:LAYER:INDEX), got {asked!r}."
        )
    return [start + int(index) for start, _ in fitting]


def _open_store(job: Job, split: str, folder: Path | None) -> Store:
    """The store that the job's fingerprint names. Raises InputError where it is not there, or not whole."""
    fingerprint = (job.results.get("fingerprint") or {}).get(split)
    settings = job.config.get("activations") or {}
    if fingerprint is None or settings.get("live"):
        raise InputError(
            f"JOB must be a job that finished with a store, got {str(job.folder)!r}, which has none; repeat it with "
            "activations=store."
        )
    where = (folder or Path(str(settings.get("folder", "store"))).expanduser()) / store_name(fingerprint)
    try:
        return Store(where, fingerprint)
    except StoreError as error:
        raise InputError(
            f"the store of {split} must be whole in {where}, got none or another ({error}); repeat the job, or give "
            "the folder of stores with --store."
        ) from error


def _read(job: Job, split: str, store: Store, allow_targets: Sequence[str]) -> Text:
    """The text behind the rows of the store. Raises InputError where the corpus is not what it was."""
    config = OmegaConf.create({**job.config, "folder": str(job.folder), "allow_targets": list(allow_targets)})
    corpus, prop = construct(config, "corpus"), construct(config, "property")
    if hasattr(prop, "learn"):
        prop.learn(corpus.sentences("train"))
    forms, kept = Forms(), list[tuple[str, ...]]()
    sentences = _kept(forms.of(corpus.sentences(split)), kept, prop.level)
    units = collect(prop.units(sentences))
    for _ in sentences:  # what a property did not ask for
        pass
    if forms.digest != job.results["fingerprint"][split]["forms"]:
        raise InputError(f"corpus {corpus.name} must have the {split} text that the job read, got another by now.")
    return Text.of(kept, units, store.dropped)


def _kept(sentences: Iterator[Sentence], kept: list[tuple[str, ...]], level: str) -> Iterator[Sentence]:
    """The sentences on their way to the property; what their rows of the store are is kept."""
    for sentence in sentences:
        kept.append(forms_of(sentence, level))
        yield sentence
