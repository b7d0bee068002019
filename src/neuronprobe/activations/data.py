"""The data module: streams the corpus through the frozen transformer once, and batches from the store ever after."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from filelock import FileLock
from torch.utils.data import DataLoader

from neuronprobe.activations.contents import Contents, remarks, shared_sentences
from neuronprobe.activations.extraction import extract, read_share
from neuronprobe.activations.files import StoreError
from neuronprobe.activations.live import LiveStore
from neuronprobe.activations.preview import preview
from neuronprobe.activations.reading import Reading
from neuronprobe.activations.split import BatchStream, Split
from neuronprobe.activations.store import DTYPES, Store, StoreWriter, store_name
from neuronprobe.corpora import SPLITS, Corpus
from neuronprobe.errors import InputError, choice, number, whole_number
from neuronprobe.models import Source
from neuronprobe.processes import ALONE, Processes
from neuronprobe.properties import LabelSelection, Property
from neuronprobe.properties.units import without_rows
from neuronprobe.targets import Labels, Target, Values
from neuronprobe.types import Batch, Units

log = logging.getLogger(__name__)

_AGGREGATIONS = {"word": "last, first, average or max", "sentence": "sentence_cls, sentence_mean or sentence_last"}


class ActivationsDataModule(pl.LightningDataModule):
    """Corpus × property × model: splits of units with activations. The transformer lives here, not in checkpoints."""

    def __init__(
        self,
        corpus: Corpus,
        prop: Property,
        model: Source,
        folder: str = "store",
        dtype: str = "float16",
        subwords_per_batch: int = 2048,
        memory_limit: float = 8.0,
        live: bool = False,
    ) -> None:
        """`folder` holds the stores; `dtype` is theirs.

        A split's store of more than `memory_limit` GiB is read in shuffled blocks. `live` has no stores: the model runs
        whenever activations are needed that are not in memory. Raises InputError where rows of the model are not those
        of the property.
        """
        super().__init__()
        _must_have("corpus", corpus, "name", "sentences")
        _must_have("property", prop, "name", "level", "roles", "units")
        _must_have("model", model, "title", "fingerprint", "neurons", "level", "tokenise", "chunk")
        self.corpus, self.prop, self.model = corpus, prop, model
        self.folder, self._dtype = Path(folder).expanduser(), choice("activations.dtype", dtype, DTYPES)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"activations.folder must be a folder, got {str(self.folder)!r}, which is a file.")
        self._budget = whole_number("activations.subwords_per_batch", subwords_per_batch, 1)
        self.train_in(512, 0)
        self.live = live
        if model.level != prop.level:
            raise InputError(
                f"model.aggregation must give a row for each {prop.level} for property {prop.name}, got one for each "
                f"{model.level}; choose {_AGGREGATIONS[prop.level]}."
            )
        self._memory_limit = number("activations.memory_limit", memory_limit, 0)
        self.extracted: list[str] = []
        self.counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
        self.estimated: dict[str, float | None] = {}
        """What the extraction takes, as it was said before it."""
        self._prepared = False
        self._splits: dict[str, Split] = {}
        self._reading, self._stores = Reading(corpus, [prop]), dict[str, Store | LiveStore]()

    @cached_property
    def contents(self) -> dict[str, Contents]:
        """One pass over each split. Raises InputError where the corpus or the property can't be used.

        What is taken of the units, and what splits share or lack, is counted and said.
        """
        found = self._reading.of(self.prop)
        for split, counted in getattr(self.corpus, "counts", {}).items():
            self.counts[split] |= counted
        selection = getattr(self.prop, "selection", LabelSelection())
        taken, dropped = selection.of({split: one.units for split, one in found.items()}, self.prop.name)
        found = {split: replace(one, units=taken[split]) for split, one in found.items()}
        for split in SPLITS:
            self.counts[split] |= dropped[split] | shared_sentences(found, split)
        for line in remarks(found, self.counts):
            log.warning(line)
        return found

    @cached_property
    def target(self) -> Target:
        """The label set of train, or mean and deviation of its values. Raises InputError where train has but one."""
        train = self.contents["train"].units
        if not train.names:
            return Values.of(train.labels, self.prop.name)
        return Labels.of(train.names, self.prop.name, are_spans=getattr(self.prop, "scheme", None) is not None)

    @property
    def units(self) -> dict[str, Units]:
        """The units of each split as tensors; once the stores are open, without those whose words were dropped."""
        return {name: split.units for name, split in self._splits.items()} or self._all_units

    @cached_property
    def _all_units(self) -> dict[str, Units]:
        return {name: self._units(name, own) for name, own in self.contents.items()}

    def fingerprint(self, split: str) -> dict[str, Any]:
        """What decides the numbers in the split's store."""
        dtype = "float32, live" if self.live else self._dtype
        return {**self.model.fingerprint, "forms": self.contents[split].forms.digest, "store_dtype": dtype}

    def beside(self, others: Sequence[ActivationsDataModule]) -> None:
        """Share one reading of the text, and the stores once they are open, with others of this corpus and model."""
        reading = Reading(self.corpus, [self.prop, *(other.prop for other in others)])
        for one in (self, *others):
            one._reading, one._stores = reading, self._stores

    def prepare_data(self, processes: Processes = ALONE) -> None:
        """Extract what no store holds yet; one job at a time for each store, in as many processes as it has.

        Raises InputError where these read other texts or models.
        """
        if self._prepared or self.live:
            return
        self._prepared = True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"activations.folder must be writable, got {str(self.folder)!r}: {error.strerror}."
            ) from error
        wanted = processes.agree(self._wanted)
        for split, fingerprint in wanted.items():
            if fingerprint != self.fingerprint(split):
                raise InputError(f"all processes must read the same {split} and model, got others in this one.")
            if not processes.is_first:
                read_share(self.model, partial(self.corpus.sentences, split), self._budget, processes)
                continue
            with self._lock(split):
                if not self._is_complete(split):
                    self._extract(split, processes)
            processes.agree(lambda: None)  # there is nothing left to read

    def _wanted(self) -> dict[str, Any]:
        """The splits that have no store, with their fingerprints; what they will take is said."""
        wanted = []
        for split in SPLITS:
            with self._lock(split):
                wanted += [] if self._is_complete(split) else [split]
        if wanted:
            self._preview(wanted)
        return {split: self.fingerprint(split) for split in wanted}

    def setup(self, stage: str | None = None) -> None:
        """Open the stores."""
        opened: dict[str, Split] = {}
        for name in SPLITS if not self._splits else ():
            store = self._open(name)
            table = store.neurons if self.prop.roles == (None,) else store.neurons.with_roles(self.prop.roles)
            counts = {"words_dropped": len(store.dropped), "windows_of_long_sentences": store.windows}
            for what, count in counts.items():
                if count:
                    log.warning("%s: %d %s.", name, count, what.replace("_", " "))
            self.counts[name] |= counts
            units = without_rows(self._all_units[name], store.dropped) if len(store.dropped) else self._all_units[name]
            opened[name] = Split(units, store, table, self.target, self._memory_limit)
        self._splits = self._splits or opened

    def split(self, name: str) -> Split:
        """One split, its activations on the device that trains."""
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        return self._splits[name].to(device)

    def store(self, split: str) -> Store | None:
        """What a split is read from; None where activations are live."""
        found = self._stores.get(split)
        return found if isinstance(found, Store) else None

    def train_in(self, batch_size: int, seed: int | None) -> None:
        """Train in batches of this size, shuffled by the seed (None: in the corpus's order)."""
        self._batch_size = batch_size
        self._seed = seed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Whole batches, shuffled by (seed, epoch)."""
        rank, world, epoch = 0, 1, 0
        if self.trainer is not None:
            rank, world, epoch = self.trainer.global_rank, self.trainer.world_size, self.trainer.current_epoch
        stream = BatchStream(self.split("train"), self._batch_size, self._seed, epoch, rank, world)
        return DataLoader(stream, batch_size=None)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Dev, in order."""
        return DataLoader(BatchStream(self.split("dev"), batch_size=4096), batch_size=None)

    def _lock(self, split: str) -> FileLock:
        return FileLock(self.folder / f"{store_name(self.fingerprint(split))}.lock")

    def _preview(self, wanted: Sequence[str]) -> None:
        """Say what the extraction will take. Raises InputError as `preview` does."""
        rows = {split: self.contents[split].n_rows for split in wanted}
        there = {split: self._store(split) for split in wanted}
        found = preview(self.model, self.corpus, rows, there, DTYPES[self._dtype].itemsize, self._budget)
        log.info(found.text(self.folder))
        self.estimated = {"store_bytes": sum(found.n_bytes.values()), "extraction_seconds": found.seconds}

    def _units(self, split: str, own: Contents) -> Units:
        found = own.units
        if bool(found.names) != bool(self.contents["train"].units.names):
            raise InputError(
                f"the labels of property {self.prop.name} must be names in all splits or numbers in all, got others in "
                f"{split} than in train; correct its units."
            )
        labels = self.target.encode(found.labels, found.names)
        unknown = self.target.unknown(found.names)
        return Units(found.rows, labels, found.sentences, found.types, own.n_sentences, unknown)

    def _open(self, split: str) -> Store | LiveStore:
        if split not in self._stores and self.live:
            sentences = [replace(sentence, annotations={}, labels={}) for sentence in self.corpus.sentences(split)]
            self._stores[split] = LiveStore(self.model, sentences, self._memory_limit, self._budget)
        elif split not in self._stores:
            self._stores[split] = Store(self._store(split), self.fingerprint(split))
        return self._stores[split]

    def _rows(self, split: str) -> str:
        return f"{self.contents[split].n_rows:,} {self.model.level}s"

    def _store(self, split: str) -> Path:
        return self.folder / store_name(self.fingerprint(split))

    def _is_complete(self, split: str) -> bool:
        folder = self._store(split)
        if split in self._stores:  # a property beside this one has it open
            return True
        if not folder.exists():
            return False
        try:
            self._stores[split] = Store(folder, self.fingerprint(split))
        except StoreError as error:
            log.warning("The store of %s is damaged (%s); it is extracted again.", split, error)
            shutil.rmtree(folder)
            return False
        log.info("%s: %s read from the store, nothing extracted.", split, self._rows(split))
        return True

    def _extract(self, split: str, processes: Processes) -> None:
        own, model = self.contents[split], self.model
        fingerprint = self.fingerprint(split)
        title = f"{model.title}, {self.corpus.name} {split}"
        writer = StoreWriter(self._store(split), fingerprint, model.neurons, own.n_rows, self._dtype, title)
        if writer.words_done:
            log.info("%s: going on after %s extracted %ss.", split, f"{writer.words_done:,}", model.level)
        while not extract(model, self.corpus.sentences(split), writer, own.n_rows, split, self._budget, processes):
            pass
        self.extracted.append(split)
        log.info("%s: %s extracted into %s.", split, self._rows(split), self._store(split))


def _must_have(group: str, made: Any, *names: str) -> None:
    """All at once, without asking for any (a model would be loaded). Raises InputError that names what is lacking."""
    own = getattr(made, "__dict__", {})
    if missing := [name for name in names if name not in own and not hasattr(type(made), name)]:
        raise InputError(
            f"{group} must have {', '.join(names)}, got {type(made).__name__} without {', '.join(missing)}; add them."
        )
