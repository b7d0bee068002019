"""The jobs below a folder, as a join reads them: what varied between them, how they ended, their headline numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from neuronprobe.errors import InputError, one_line
from neuronprobe.jobs.files import read_results
from neuronprobe.jobs.sweep import PLAN, planned
from neuronprobe.report.lookup import count, metric_of, of_primary, rankings, subset_row
from neuronprobe.studies.cells import PlainRow, find, first

GROUPS = ("model", "property", "corpus", "ranking", "probe", "search")
"""Config groups whose choice may vary without a word on the command line: an experiment chose it."""
SHARES = (0.1, 0.2)
SETS = ("top", "random", "layer_matched", "bottom")


@dataclass(frozen=True)
class JoinedJob:
    """A job of a join: its folder by name, its overrides, its results (empty where it left none)."""

    name: str
    folder: Path
    overrides: Mapping[str, str]
    results: Mapping[str, Any]

    @property
    def status(self) -> str:
        """How it ended: ok, debug, failed; or missing, where it was planned or begun and left no results."""
        return str(self.results.get("status", "missing"))

    @property
    def is_good(self) -> bool:
        """Whether its numbers count."""
        return self.status == "ok"

    @property
    def error(self) -> str:
        """Why it has no numbers; empty where it has."""
        if self.status == "missing":
            return "left no results: it did not begin, runs still, or was killed"
        return str(self.results.get("error") or ("debug job" if self.status == "debug" else ""))

    @property
    def config(self) -> Mapping[str, Any]:
        """Its configuration; empty where it left no results."""
        return dict(self.results.get("config") or {})

    @property
    def rows(self) -> list[PlainRow]:
        """All its rows."""
        return list(self.results.get("rows") or [])

    def setting(self, key: str) -> str:
        """An override, or what the configuration says where it was not overridden."""
        if f"{key}.name" in self.overrides:
            return self.overrides[f"{key}.name"]
        if key in self.overrides:
            return self.overrides[key]
        if key == "ranking":
            given = self.config.get(key)
            return ",".join(given if isinstance(given, dict) else rankings(self.rows)) or "-"
        value: Any = self.config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, dict):
            value = value.get("name") or str(value.get("_target_", "")).rpartition(".")[2]
        return "-" if value is None else str(value)

    @cached_property
    def headline(self) -> dict[str, float | None]:
        """Its numbers on test by name, as fractions: all neurons, sets kept with the rest at zero, and more."""
        rows, metric = of_primary(self.rows), metric_of(self.config)
        found = {"oracle": first(rows, study="oracle", metric=metric, split="test")}
        for share in SHARES:
            for which in SETS:
                row = subset_row(rows, "ablation", which, count(rows, share), metric, fill="zero")
                found[f"{which} {share:.0%}"] = row
        stable = find(rows, study="stability", metric="overlap", set="top", over="resamples")
        found["stable 5%"] = next((row for row in stable if abs(row["share"] - 0.05) < 0.003), None)
        found["minimal set"] = first(rows, study="minimal_set", metric="neurons")  # of the first tolerance
        found["selectivity"] = first(rows, study="selectivity", metric="selectivity", split="test", set="all")
        return {name: None if row is None else row["value"] for name, row in found.items()}


def read_jobs(folders: Sequence[Path]) -> tuple[list[JoinedJob], list[str]]:
    """The jobs below the folders, missing ones too, and one line for each results.json that can't be read.

    Raises InputError where there is no job.
    """
    jobs: dict[Path, JoinedJob] = {}
    skipped = []
    for top in folders:
        for folder, words in sorted(_begun(top).items(), key=lambda one: _by_number(one[0])):
            name = str(folder.relative_to(top)) if len(folders) == 1 else str(folder)
            try:
                has_results = (folder / "results.json").is_file()
                results = read_results(folder / "results.json") if has_results else {}
                jobs.setdefault(folder.resolve(), JoinedJob(name, folder, _by_key(words), results))
            except InputError as error:
                skipped.append(one_line(error))
    if not jobs:
        said = skipped[0] if skipped else f"{folders[0]} has none"
        raise InputError(f"DIR must be a folder with results.json somewhere below: {said}")
    return list(jobs.values()), skipped


def varied(jobs: Sequence[JoinedJob]) -> list[str]:
    """The settings in which the jobs differ: config groups first, then overrides; without the seed."""
    given = (key for job in jobs for key in job.overrides if key.removesuffix(".name") not in GROUPS)
    keys = dict.fromkeys([*GROUPS, *given])
    return [key for key in keys if key != "seed" and len({job.setting(key) for job in jobs if job.results} - {"-"}) > 1]


def _begun(top: Path) -> dict[Path, list[str]]:
    """Folders below `top` in which a job was planned, begun or finished, with its overrides.

    A folder with the jobs of several properties is none itself.
    """
    found = {path.parent: _words(path.parent) for path in top.rglob("results.json")}
    found |= {path.parents[1]: _words(path.parents[1]) for path in top.rglob(".hydra/config.yaml")}
    for plan in top.rglob(PLAN):
        found |= {plan.parent / name: words for name, words in planned(plan.parent).items()}
    return {folder: words for folder, words in found.items() if not (folder / PLAN).is_file()}


def _by_number(folder: Path) -> list[tuple[int, str]]:
    """Jobs 2 and 10 in this order."""
    return [(int(part) if part.isdecimal() else -1, part) for part in folder.parts]


def _words(folder: Path) -> list[str]:
    path = folder / ".hydra" / "overrides.yaml"
    try:
        return [str(word) for word in OmegaConf.load(path)]
    except (OSError, ValueError):
        return []


def _by_key(words: Sequence[str]) -> dict[str, str]:
    return dict(_parts(words))


def _parts(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        key, has_value, value = word.partition("=")
        yield key.lstrip("+"), value if has_value else "removed"
