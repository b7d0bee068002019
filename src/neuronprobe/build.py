"""Configuration to objects: the single `instantiate` call, with a whitelist of targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import hydra
import pytorch_lightning as pl
from hydra.errors import InstantiationException
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from neuronprobe.activations import ActivationsDataModule
from neuronprobe.callbacks import SearchCallback, StudyCallback, in_order
from neuronprobe.errors import InputError, one_line
from neuronprobe.probes import Fit, TrainingBar
from neuronprobe.rankings import Rank, checked

TARGETS = ("neuronprobe.", "pytorch_lightning.")
"""What a configuration may construct; `allow_targets` adds more."""
HOMES = ("lightning_fabric.",)
"""Where what Lightning offers under its own name may be at home."""

SINGLE = ("corpus", "property", "model", "activations", "probe", "search", "trainer")
"""The groups of one object each."""
NOT_OF_STUDIES = {
    "_target_", "accelerator", "precision", "max_epochs", "devices", "num_nodes", "strategy", "logger", "callbacks",
    "default_root_dir",
}  # fmt: skip
"""Trainer settings of the job alone: the studies' banks have one device, no logs, the probe's epochs and precision."""

USUAL = {"word": "last", "sentence": "sentence_mean"}
"""What a row of the store is made of, where nobody says: a word is its last subword, as in the papers."""
DEBUGGING = ("fast_dev_run", "limit_train_batches", "limit_val_batches", "overfit_batches", "max_steps", "max_time")
"""Trainer settings with which a probe does not see all of train, or is not scored on all of dev."""


@dataclass(frozen=True)
class Job:
    """The objects of one job."""

    data: ActivationsDataModule
    fit: Fit
    ranks: Mapping[str, Rank]
    search: SearchCallback
    studies: Sequence[StudyCallback]
    """In the order in which they run."""
    shown: Sequence[StudyCallback]
    """In that of the configuration, the search last."""
    trainer: pl.Trainer


def build(config: DictConfig, callbacks: Sequence[pl.Callback] = (), data: ActivationsDataModule | None = None) -> Job:
    """All objects of a job; `callbacks` are the run's own, `data` is there already where others share it.

    Raises InputError where a setting can't be used.
    """
    fit = construct(config, "probe")
    if not isinstance(fit, Fit):
        raise InputError(f"probe must be a Fit, got {type(fit).__name__}; choose probe=adam, or derive yours from Fit.")
    fit = fit.with_trainer(**_trainer_options(config))
    data = data or data_of(config)
    search, ranks = construct(config, "search"), _ranks(config)
    if not isinstance(search, SearchCallback):
        raise InputError(
            f"search must choose a probe (a SearchCallback), got {type(search).__name__}; choose search=dev."
        )
    search.begin(fit, ranks)  # what it can't work with is said before the extraction
    others = {name: one for name, one in (construct(config, "callbacks") or {}).items() if one is not None}
    if wrong := [name for name, one in others.items() if not isinstance(one, pl.Callback)]:
        raise InputError(
            f"callbacks must be Lightning callbacks, got {', '.join(wrong)}, which is none; derive it from "
            "neuronprobe.callbacks.StudyCallback or pytorch_lightning.Callback."
        )
    if "search" in others:
        raise InputError("callbacks must have another name than search, got callbacks.search; rename it.")
    shown = {n: one for n, one in others.items() if isinstance(one, StudyCallback)} | {"search": search}
    studies = in_order({"search": search} | shown)
    rest = [one for one in others.values() if not isinstance(one, StudyCallback)]
    loggers = list((construct(config, "logger") or {}).values())
    trainer = construct(
        config, "trainer", logger=loggers, callbacks=[*studies, *rest, TrainingBar(), *callbacks],
        enable_progress_bar=False, plugins=[LightningEnvironment()],  # also in a Slurm job: the processes are its own
    )  # fmt: skip
    if trainer.max_epochs != fit.epochs and not trainer.fast_dev_run:
        raise InputError(
            f"trainer.max_epochs must be probe.epochs ({fit.epochs}), which the studies' banks train for too, "
            f"got {trainer.max_epochs}; set probe.epochs."
        )
    _refuse_unlike(fit, trainer)
    return Job(data, fit, ranks, search, studies, tuple(shown.values()), trainer)


def _refuse_unlike(fit: Fit, trainer: pl.Trainer) -> None:
    """Settings of the trainer that a solver can't work with. Raises InputError."""
    if fit.solver != "adam" and trainer.accumulate_grad_batches != 1:
        raise InputError(
            f"trainer.accumulate_grad_batches must be 1 for probe={fit.solver}, got {trainer.accumulate_grad_batches}; "
            "raise probe.batch_size."
        )
    if fit.solver != "exact":
        return
    if (trainer.min_epochs or 1) > 1 or trainer.min_steps:
        raise InputError("trainer.min_epochs and trainer.min_steps must not be set for probe=exact; leave them out.")
    if trainer.early_stopping_callbacks:
        raise InputError(
            "callbacks must not stop probe=exact early, got EarlyStopping: probes would stay where they began; "
            "raise probe.tolerance or lower probe.epochs."
        )


def data_of(config: DictConfig) -> ActivationsDataModule:
    """The corpus with its property and model: what a store is filled from. Raises InputError as `build`."""
    corpus, prop = construct(config, "corpus"), construct(config, "property")
    return _data(config, corpus, prop, _model(config, prop))


def data_of_each(parts: Mapping[str, DictConfig]) -> dict[str, ActivationsDataModule]:
    """The same for jobs that differ in their property alone: text, model and stores are shared.

    A property that can't be constructed has none: its own job says why. Raises InputError where rows of the store would
    be words for one property and sentences for another.
    """
    props = {name: prop for name, config in parts.items() if (prop := _property(config)) is not None}
    levels = {name: str(getattr(prop, "level", "word")) for name, prop in props.items()}
    if len(set(levels.values())) > 1:
        said = ", ".join(f"{name} ({level})" for name, level in levels.items())
        raise InputError(
            f"properties must be all of words or all of sentences to share their activations, got {said}; run them in "
            f"jobs of their own: -m property={','.join(levels)}."
        )
    if not props:
        return {}
    config = parts[next(iter(props))]
    corpus, model = construct(config, "corpus"), _model(config, next(iter(props.values())))
    first, *others = (_data(config, corpus, prop, model) for prop in props.values())
    first.beside(others)
    return dict(zip(props, [first, *others], strict=True))


def parts_of(config: DictConfig) -> dict[str, DictConfig]:
    """The configuration of each property's own job; none where there is one property alone."""
    found = {}
    for name in config.get("properties") or {}:
        own = config.copy()
        with open_dict(own):
            own.property = own.pop("properties")[name]
        found[str(name)] = own
    return found


def _property(config: DictConfig) -> Any:
    try:
        return construct(config, "property")
    except InputError:
        return None


def _model(config: DictConfig, prop: Any) -> Any:
    """The source of activations; what its rows are follows the property's level where model.aggregation is null."""
    is_open = OmegaConf.select(config, "model.aggregation", default="") is None
    level = getattr(prop, "level", "word")
    return construct(config, "model", **({"aggregation": USUAL[level]} if is_open and level in USUAL else {}))


def _data(config: DictConfig, corpus: Any, prop: Any, model: Any) -> ActivationsDataModule:
    return cast(ActivationsDataModule, construct(config, "activations", corpus=corpus, prop=prop, model=model))


def debugging(trainer: Mapping[str, Any]) -> str:
    """The Trainer settings that make a job a debug job, as words; empty for a job whose numbers count."""
    found = {name: trainer.get(name) for name in DEBUGGING}
    is_whole = {
        name: value in (None, False, 0, -1) or (value == 1 and isinstance(value, float))
        for name, value in found.items()
    }
    return ", ".join(f"trainer.{name}={value}" for name, value in found.items() if not is_whole[name])


def _nodes(node: DictConfig) -> list[DictConfig]:
    return [one for one in node.values() if isinstance(one, DictConfig)]


def _trainer_options(config: DictConfig) -> dict[str, Any]:
    """The Trainer settings that the studies' banks share with the job's own."""
    plain: Any = OmegaConf.to_container(config.trainer, resolve=True)
    return {name: value for name, value in plain.items() if name not in NOT_OF_STUDIES and not isinstance(value, dict)}


def _ranks(config: DictConfig) -> dict[str, Rank]:
    """The rankings by the names of their YAMLs; one that is not in a package of its own stands alone or last."""
    node = config.get("ranking")
    if isinstance(node, DictConfig) and "_target_" in node and any("_target_" in (one or {}) for one in _nodes(node)):
        raise InputError(
            "ranking must be several YAMLs with a package each, got one without; begin it with "
            "`# @package ranking.NAME`."
        )
    made = construct(config, "ranking")
    found = {"ranking": made} if callable(made) else dict(made or {})
    if not found or not all(callable(rank) for rank in found.values()):
        raise InputError(
            f"ranking must be one or more rankings, got {', '.join(found) or 'none'}; choose ranking=lca, and begin a "
            "YAML of your own with `# @package ranking.NAME`."
        )
    return {name: checked(rank) for name, rank in found.items()}


def construct(config: DictConfig, group: str, **arguments: Any) -> Any:
    """What one config group describes. InputError where a target is not allowed or arguments don't fit."""
    if config.get(group) is None:
        return None
    if group in SINGLE and "_target_" not in config[group]:
        raise InputError(
            f"{group} must have a _target_, got a YAML of {', '.join(config[group]) or 'nothing'}; name the class, or "
            "the YAML that it goes on from in `defaults: [NAME]`."
        )
    try:
        allowed = (*TARGETS, *_allowed(config.get("allow_targets") or []))
        for target in _targets(OmegaConf.to_container(config[group], resolve=True)):
            _refuse_foreign(target, group, allowed)
        return hydra.utils.instantiate(config[group], _convert_="all", **arguments)
    except InstantiationException as error:
        raise _cause(error, group) from error
    except OmegaConfBaseException as error:
        raise InputError(f"{group}: {one_line(error)}") from error


def _refuse_foreign(target: str, group: str, allowed: tuple[str, ...]) -> None:
    remedy = "if you trust it, add its package with allow_targets=[package.]."
    if not target.startswith(allowed):
        raise InputError(f"_target_ in {group} must begin with {' or '.join(allowed)}, got {target!r}; {remedy}")
    if not (home := _home(target)).startswith((*allowed, *HOMES)):
        raise InputError(f"_target_ in {group} must not lead elsewhere, got {target!r}, which is {home}; {remedy}")


def _home(target: str) -> str:
    """The dotted path by which what a target leads to knows itself: `pytorch_lightning.seed.os.system` is os's.

    The target itself where it leads to nothing, which is said when it is constructed.
    """
    try:
        found = hydra.utils.get_object(target)
    except Exception:  # whatever importing a module of one's own may raise
        return target
    return f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', '')}"


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
