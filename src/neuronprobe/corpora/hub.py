"""Hugging Face `datasets`, by hub name or by folder; an optional extra: pip install -e '.[datasets]'."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neuronprobe.corpora.columns import FORM
from neuronprobe.corpora.splits import SplitCorpus
from neuronprobe.errors import InputError
from neuronprobe.types import Sentence

Names = Callable[[Any], str | None]
"""A value of a label column as text."""


class HubCorpus(SplitCorpus):
    """A dataset whose splits `train`, `dev` and `test` are named here. Labels of classes get their names; -1 is none.

    Words with labels: `columns` says where they are (`{form: tokens, ner: ner_tags}`). Sentences with a label: `text`
    (two columns make a pair) and `label`, which becomes the property `prop`. With `streaming` nothing is downloaded
    whole.
    """

    kind = "dataset"

    def __init__(
        self, path: str, train: Any = "train", dev: Any = "validation", test: Any = "test", config: str | None = None,
        columns: Mapping[str, str] | None = None, text: str | Sequence[str] | None = None, label: str | None = None,
        prop: str = "label", streaming: bool = False, **others: Any,
    ) -> None:  # fmt: skip
        """`others` are arguments of `SplitCorpus`. Raises InputError unless either words or a text are named."""
        self._path, self._config, self._streaming, self._prop = path, config, streaming, prop
        self._columns = dict(columns or {})
        self._text = [text] if isinstance(text, str) else list(text or [])
        self._label = label
        if bool(self._text) == bool(self._columns) or (self._columns and FORM not in self._columns):
            raise InputError(
                f"corpus must have either columns with {FORM} ({{form: tokens, ner: ner_tags}}) or text, got "
                f"columns={self._columns} and text={self._text}."
            )
        others["name"] = others.get("name") or Path(path).name
        super().__init__(train, dev, test, **others)

    def sources(self, split: str, given: Any) -> tuple[str, ...]:
        """The names of the dataset's splits."""
        return (given,) if isinstance(given, str) else tuple(map(str, given))

    def read(self, source: str) -> Iterator[Sentence]:
        """The sentences of one split of the dataset."""
        rows = self._load(source)
        wanted = [*self._columns.values(), *self._text, *([] if self._label is None else [self._label])]
        names = {column: naming((rows.features or {}).get(column)) for column in rows.column_names or []}
        for number, row in enumerate(rows, 1):
            where = f"{self._path}, {source}, row {number},"
            missing = [column for column in wanted if column not in row]
            if missing:
                raise InputError(f"{where} must have a column {missing[0]}, got {', '.join(row)}.")
            make = self._annotated if self._columns else self._labelled
            yield make(f"{source}-{number}", row, names, where)

    def _annotated(self, identifier: str, row: Mapping[str, Any], names: Mapping[str, Names], where: str) -> Sentence:
        found = {name: [names[column](value) for value in row[column]] for name, column in self._columns.items()}
        words = found.pop(FORM)
        if not words or any(len(labels) != len(words) for labels in found.values()) or not all(words):
            raise InputError(f"{where} must have words, and a label for each in every column, got {words}.")
        return Sentence(identifier, tuple(map(str, words)), {name: tuple(labels) for name, labels in found.items()})

    def _labelled(self, identifier: str, row: Mapping[str, Any], names: Mapping[str, Names], where: str) -> Sentence:
        parts = [str(row[column] or "").split() for column in self._text]
        if not all(parts):
            raise InputError(f"{where} must have words in {', '.join(self._text)}, got none.")
        labels = {} if self._label is None else {self._prop: names[self._label](row[self._label])}
        second = len(parts[0]) if len(parts) == 2 else None
        return Sentence(identifier, tuple(word for part in parts for word in part), {}, labels, second)

    def _load(self, source: str) -> Any:
        try:
            import datasets
        except ImportError as error:
            raise InputError("corpus=hub must have datasets installed, got none; pip install datasets.") from error
        folder = Path(self._path).expanduser()
        try:
            if (folder / "dataset_dict.json").is_file():
                return datasets.load_from_disk(str(folder))[source]
            name = str(folder) if folder.is_dir() else self._path
            return datasets.load_dataset(name, self._config, split=source, streaming=self._streaming)
        except Exception as error:
            raise InputError(
                f"corpus.path must be a dataset with a split {source!r}, got {self._path!r} ({type(error).__name__}: "
                f"{str(error).splitlines()[0][:200] if str(error) else ''})."
            ) from error


def naming(feature: Any) -> Names:
    """How values of a column, or of the lists in it, become labels: classes by name, all else as text."""
    feature = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
    to_name = getattr(feature, "int2str", None)

    def name(value: Any) -> str | None:
        if value is None or (to_name is not None and value == -1):
            return None
        return str(to_name(value) if to_name is not None and isinstance(value, int) else value)

    return name
