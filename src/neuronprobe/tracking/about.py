"""Who a job is to a tracker: its name, the sweep that it is one of, its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf


@dataclass(frozen=True)
class About:
    """What stands above a run: its name, the group of runs that it is one of (a sweep), the resolved configuration."""

    name: str
    group: str | None
    config: Mapping[str, Any]


def about(config: DictConfig, model: str, prop: str, ranking: str) -> About:
    """A job by what its sweep varies; where nothing varies by model, property, ranking and seed."""
    found = _varied()
    plain: Any = OmegaConf.to_container(config, resolve=True)
    names = found or (model.rpartition("/")[2], prop, ranking, str(config.seed))
    return About("·".join(names), _sweep(), plain)


def _sweep() -> str | None:
    """The name of the sweep's folder; None for a job of its own."""
    return Path(HydraConfig.get().sweep.dir).name if _is_swept() else None


def _varied() -> Sequence[str]:
    """The overrides of this job that are not those of all: the sweep's own command is in its folder."""
    if not _is_swept():
        return ()
    own = HydraConfig.get()
    command, parser = Path(own.sweep.dir) / "multirun.yaml", OverridesParser.create()
    given = parser.parse_overrides(OmegaConf.load(command).hydra.overrides.task) if command.is_file() else []
    same = {one.key_or_group for one in given if not one.is_sweep_override()}
    mine = parser.parse_overrides(own.overrides.task)
    return [str(one.input_line) for one in mine if one.key_or_group not in same and _is_setting(one)]


def _is_setting(override: Override) -> bool:
    return not override.key_or_group.startswith("hydra.")


def _is_swept() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
