"""`python -m neuronprobe.extract OVERRIDES`: fills the store for the jobs that train.py has with the same overrides.

A sweep (-m, or an experiment that is one) is extracted whole, each text and model once. On a cluster it is the job that
those of the sweep wait for. Started several times by `srun -n 4` or `torchrun`, each process reads its share.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from neuronprobe.command import CONF, ended, main
from neuronprobe.errors import InputError
from neuronprobe.processes import Processes
from neuronprobe.progress import ScreenHandler
from neuronprobe.words import for_hydra

DATA = ("corpus", "property", "properties", "model", "activations", "allow_targets")
"""What decides about activations."""


def extract(words: Sequence[str], folders: Sequence[str] = ()) -> None:
    """Fill the store for each configuration that the overrides stand for. Raises InputError for live activations."""
    from neuronprobe.build import data_of, data_of_each, parts_of
    from neuronprobe.quiet import quiet

    quiet()
    processes = Processes.started()
    done = set()
    with processes.connected():
        for config in configurations(words, folders):
            own = tuple(_text(config.get(name)) for name in DATA)
            if own in done:
                continue
            parts = parts_of(config)
            data = next(iter(data_of_each(parts).values())) if parts else data_of(config)
            if data.live:
                raise InputError("activations must be a store to be filled, got live, which has none.")
            data.prepare_data(processes)
            done.add(own)


def _text(node: Any) -> str:
    return OmegaConf.to_yaml(node, resolve=True) if OmegaConf.is_config(node) else str(node)


def configurations(words: Sequence[str], folders: Sequence[str] = ()) -> Iterator[DictConfig]:
    """Each configuration of a sweep; of an interval its low end."""
    path = [f"hydra.searchpath=[{','.join(map(str, folders))}]"] if folders else []
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        parse = partial(OverridesParser.create().parse_override)
        given = {one.get_key_element(): one for one in map(parse, for_hydra(words))}
        fixed = [_values(one)[0] for one in given.values()]
        hydra = compose("config", [*path, *fixed], return_hydra_config=True).hydra
        swept = {name: parse(f"{name}={value}") for name, value in (hydra.sweeper.get("params") or {}).items()}
        for chosen in product(*map(_values, {**swept, **given}.values())):
            yield compose("config", [*path, *chosen])


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [str(override.input_line)]
    if not override.is_discrete_sweep():
        return [f"{override.get_key_element()}={override.value().start}"]  # type: ignore[union-attr]
    return [f"{override.get_key_element()}={text}" for text in override.sweep_string_iterator()]


def run() -> int:
    """0 when the store is filled, 2 for what does not fit, 130 after Ctrl-C: the same command goes on."""
    parser = argparse.ArgumentParser("python -m neuronprobe.extract", description=__doc__)
    parser.add_argument("overrides", nargs="*", help="as train.py's")
    parser.add_argument(
        "--multirun", "-m", action="store_true", help="taken as train.py's: sweeps are known by their commas"
    )
    parser.add_argument("--config-dir", "-cd", action="append", default=[], help="a folder with YAMLs of your own")
    given, more = parser.parse_known_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[ScreenHandler()])
    folders = [str(Path(folder).absolute()) for folder in given.config_dir]
    return main(partial(extract, [*given.overrides, *more], folders))


if __name__ == "__main__":
    sys.exit(ended(run))
