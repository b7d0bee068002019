"""Several properties in one job: each has a folder of its own in the job's, and all share one pass over the corpus."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from neuronprobe.activations import ActivationsDataModule
from neuronprobe.build import data_of_each, parts_of
from neuronprobe.command import say
from neuronprobe.errors import InputError, one_line
from neuronprobe.jobs.files import assemble, write_results
from neuronprobe.jobs.sweep import SweepFolder
from neuronprobe.quiet import quiet
from neuronprobe.report.join import join
from neuronprobe.run import run

log = logging.getLogger(__name__)


def run_all(config: DictConfig, folder: Path) -> float | None:
    """A job of one property, or of each of `properties`, where those that an earlier run finished are left as they are.

    Raises InputError, naming them, where properties failed; the others have run.
    """
    own = HydraConfig.get()
    if not isinstance(own.runtime.choices.get("property") or "", str):
        raise InputError(
            "property must be one choice in a YAML, got a list; choose each in a package of its own: "
            "/property@properties.upos: upos."
        )
    parts = parts_of(config)
    if not parts:
        return run(config, folder)
    quiet()
    sweep = SweepFolder(folder)
    missing = {name: one for name, one in parts.items() if not sweep.has_finished(folder / name, one)}
    if len(missing) < len(parts):
        log.info("already finished, skipped: %s", ", ".join(name for name in parts if name not in missing))
    try:
        data = _shared(missing)
    except InputError as error:
        write_results(folder, assemble("failed", OmegaConf.to_container(config), error=str(error)))
        raise
    (folder / "results.json").unlink(missing_ok=True)  # of a run that ended there
    words = own.overrides.task
    sweep.plan({folder / name: overrides(name, words) for name in parts})
    for name, one in missing.items():
        sweep.begin(folder / name, one, overrides(name, words))
    failed = _run_each(missing, data, folder)
    join([folder], Console())
    if failed:
        said = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise InputError(f"{len(parts)} properties must end well, got {len(failed)} that failed: {said}")
    return None


def _shared(parts: Mapping[str, DictConfig]) -> dict[str, ActivationsDataModule]:
    """The data of each property. Raises InputError where they can't be shared."""
    for name in ("devices", "num_nodes"):
        if any(config.trainer.get(name, 1) not in (1, "1") for config in parts.values()):
            raise InputError(
                f"trainer.{name} must be 1 for several properties in one job; run them in jobs of their own: "
                f"-m property={','.join(parts)}."
            )
    return data_of_each(parts)


def _run_each(parts: Mapping[str, DictConfig], data: dict[str, ActivationsDataModule], folder: Path) -> dict[str, str]:
    """The jobs one after the other; the errors of those that failed."""
    failed = {}
    for number, (name, own) in enumerate(parts.items(), 1):
        log.info("property %s (%d of %d)", name, number, len(parts))
        try:
            run(own, folder / name, data.pop(name, None))
        except Exception as error:
            say(error)
            failed[name] = one_line(error)
    return failed


def overrides(name: str, words: Sequence[str]) -> list[str]:
    """What was given on the command line for one of several properties, as for a job of its own."""
    mine, others = f"properties.{name}", ("properties.", "property@properties.")
    found = []
    for word in words:
        bare = word.lstrip("+~")
        if bare.startswith(f"property@{mine}="):
            found.append(f"property={bare.partition('=')[2]}")
        elif bare.startswith(f"{mine}."):
            found.append(word.replace(mine, "property", 1))
        elif not bare.startswith(others):
            found.append(word)
    return found
