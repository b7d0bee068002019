"""Configuration to objects: the single `instantiate` call, with a whitelist of targets."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import hydra
import pytorch_lightning as pl
from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from neuronprobe.activations import ActivationsDataModule
from neuronprobe.callbacks import StudyCallback
from neuronprobe.errors import InputError, one_line
from neuronprobe.probes import Fit

TARGETS = ("neuronprobe.", "pytorch_lightning.")
"""What a configuration may construct; `allow_targets` adds more."""


@dataclass(frozen=True)
class Job:
    """The objects of one job."""

    data: ActivationsDataModule
    fit: Fit
    studies: Sequence[StudyCallback]
    trainer: pl.Trainer


def build(config: DictConfig, callbacks: Sequence[pl.Callback] = ()) -> Job:
    """All objects of a job; `callbacks` are the run's own. Raises InputError where a setting can't be used."""
    fit = construct(config, "probe")
    parts = {name: construct(config, name) for name in ("corpus", "property", "model", "ranking")}
    data = construct(
        config, "activations", corpus=parts["corpus"], prop=parts["property"], model=parts["model"],
        batch_size=fit.batch_size, seed=fit.order_seed,
    )  # fmt: skip
    studies = [construct(config, "search"), *filter(None, (construct(config, "callbacks") or {}).values())]
    loggers = list((construct(config, "logger") or {}).values())
    bars = [pl.callbacks.RichProgressBar()] if sys.stdout.isatty() else []
    trainer = construct(
        config, "trainer", logger=loggers, callbacks=[*studies, *bars, *callbacks], enable_progress_bar=bool(bars)
    )
    return Job(data, fit, [study for study in studies if isinstance(study, StudyCallback)], trainer)


def construct(config: DictConfig, group: str, **arguments: Any) -> Any:
    """What one config group describes. InputError where a target is not allowed or arguments don't fit."""
    if config.get(group) is None:
        return None
    try:
        allowed = (*TARGETS, *_allowed(config.get("allow_targets") or []))
        for target in _targets(OmegaConf.to_container(config[group], resolve=True)):
            if not target.startswith(allowed):
                raise InputError(
                    f"_target_ in {group} must begin with {' or '.join(allowed)}, got {target!r}; "
                    "if you trust it, add its package with allow_targets=[package.]."
                )
        return hydra.utils.instantiate(config[group], _convert_="all", **arguments)
    except InstantiationException as error:
        raise _cause(error, group) from error
    except OmegaConfBaseException as error:
        raise InputError(f"{group}: {one_line(error)}") from error


def _allowed(names: Any) -> list[str]:
    if not isinstance(names, list | ListConfig) or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"allow_targets must be a list of packages, got {names!r}; write allow_targets=[package.].")
    return list(names)


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield str(node["_target_"])
        for child in node.values():
            yield from _targets(child)
    elif isinstance(node, list):
        for child in node:
            yield from _targets(child)


def _cause(error: BaseException, group: str) -> InputError:
    """The InputError that a constructor raised, or one made of what Hydra says."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return cause
        cause = cause.__cause__
    reason = error.__cause__ or error
    return InputError(f"{group} can't be constructed: {one_line(reason)}")
