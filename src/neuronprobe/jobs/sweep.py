"""The folder of a sweep: its jobs by their configuration, those that are finished, those that were planned."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from neuronprobe.errors import InputError
from neuronprobe.jobs.files import git_commit, read_results, versions
from neuronprobe.jobs.read import changed
from neuronprobe.writing import write_json

log = logging.getLogger(__name__)

PLAN = "sweep.json"
FINISHED = ("ok", "debug")
"""The status of a job that did what it should."""


def signature(config: Any) -> str:
    """All settings of a job as text, equal where they are equal."""
    own = OmegaConf.create(OmegaConf.to_yaml(config))  # as a file has it
    try:
        plain = OmegaConf.to_container(own, resolve=True)
    except OmegaConfBaseException:  # it refers to Hydra's own settings
        plain = OmegaConf.to_container(own)
    return json.dumps(plain, sort_keys=True)


class SweepFolder:
    """A folder with jobs in it, each known by its configuration: numbers shift when a sweep grows."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @cached_property
    def known(self) -> dict[str, Path]:
        """Folders of the jobs that were begun, by the signature of their configuration."""
        found = sorted(self.path.rglob(".hydra/config.yaml"), key=lambda path: path.stat().st_mtime)
        return {signature(OmegaConf.load(path)): path.parents[1] for path in found}

    def is_finished(self, job: Path, config: Any) -> bool:
        """Whether the job is done, from files that have not changed since, which is said.

        A job of several properties is finished when the job of each one is.
        """
        if parts := planned(job):
            begun = [job / name / ".hydra" / "config.yaml" for name in parts]
            return all(one.is_file() and self.is_finished(one.parents[1], OmegaConf.load(one)) for one in begun)
        if not self.is_done(job):
            return False
        others = changed(config, read_results(job / "results.json").get("files") or {})
        if others:
            log.info("%s runs again: %s changed since", job.relative_to(self.path), ", ".join(others))
        return not others

    def is_done(self, job: Path) -> bool:
        """Whether this version of the package, at this commit where there is one, did what the job should."""
        if parts := planned(job):
            return all(self.is_done(job / name) for name in parts)
        try:
            results = read_results(job / "results.json")
        except InputError:
            return False
        is_ours = results["versions"].get("neuronprobe") == versions()["neuronprobe"]
        return results["status"] in FINISHED and is_ours and results.get("git") == self._commit

    def has_finished(self, job: Path, config: Any) -> bool:
        """Whether a job that was begun in this folder has this configuration, and is finished."""
        begun = job / ".hydra" / "config.yaml"
        return (
            begun.is_file() and signature(OmegaConf.load(begun)) == signature(config) and self.is_finished(job, config)
        )

    def begin(self, job: Path, config: Any, words: Sequence[str]) -> None:
        """Write down what Hydra does of a job: its configuration and overrides."""
        (job / ".hydra").mkdir(parents=True, exist_ok=True)
        OmegaConf.save(config, job / ".hydra" / "config.yaml")
        OmegaConf.save(OmegaConf.create(list(words)), job / ".hydra" / "overrides.yaml")

    def folder_of(self, config: Any, wanted: str) -> Path:
        """The folder of a configuration: the one that it has, else `wanted`, else the next number that is free."""
        taken, folder = {*self.known.values()}, self.path / wanted
        number = len(taken)
        while folder in taken:
            folder, number = self.path / str(number), number + 1
        return self.known.setdefault(signature(config), folder)

    def plan(self, jobs: Mapping[Path, Sequence[str]]) -> None:
        """Write down what is about to run, beside what was: a job that leaves no results is missing then."""
        self.path.mkdir(parents=True, exist_ok=True)
        own = {str(job.relative_to(self.path)): list(overrides) for job, overrides in jobs.items()}
        write_json(self.path / PLAN, planned(self.path) | own)

    @cached_property
    def _commit(self) -> str | None:
        return git_commit()


def planned(folder: Path) -> dict[str, list[str]]:
    """Overrides of the jobs that a sweep planned, by their folders; empty where it is no sweep's folder."""
    try:
        return dict(json.loads((folder / PLAN).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
