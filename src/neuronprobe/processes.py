"""The processes that srun or torchrun started for one command: which one this is, and how they hand things on.

Lightning starts the processes of a job itself; these are about a command that was started several times.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

from neuronprobe.errors import InputError

T = TypeVar("T")
STARTERS = {
    "TORCHELASTIC_RUN_ID": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "SLURM_STEP_NUM_TASKS": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
}
"""What tells that torchrun or srun started a process, and where they say its number, how many there are, and its number
on its machine.
"""


LATEST, LONGEST = timedelta(minutes=10), timedelta(days=2)
"""How long they wait for each other at the beginning, and for what one of them does; one that ends is known at once."""


@dataclass(frozen=True)
class Processes:
    """This process among those of its command; the first one, number 0, has the word."""

    number: int = 0
    count: int = 1
    number_here: int = 0

    @classmethod
    def started(cls) -> Processes:
        """As the environment says."""
        known = (names for sign, names in STARTERS.items() if sign in os.environ)
        return cls(*(int(os.environ[name]) for name in next(known, ())))

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.number == 0

    @contextmanager
    def connected(self) -> Iterator[None]:
        """They can reach each other for as long as this lasts, each with a GPU of its own where there are several."""
        if self.count > 1:
            import torch

            if n_gpus := torch.cuda.device_count():
                torch.cuda.set_device(self.number_here % n_gpus)
            store = _meeting(self.number, self.count)
            own = {"store": store, "rank": self.number, "world_size": self.count}
            _group().init_process_group("gloo", **own, timeout=LONGEST)
        yield
        if self.count > 1:  # where one fails, its end tells the others
            _group().destroy_process_group()

    def agree(self, what: Callable[[], T]) -> T:
        """What it is by the first process, which alone finds out. Raises InputError where that one has ended."""
        if self.count == 1:
            return what()
        found = [what() if self.is_first else cast(T, None)]
        _reached(lambda: _group().broadcast_object_list(found, src=0))
        return found[0]

    def hand_over(self, what: Any) -> None:
        """Give it to the first process, once that one takes it. Raises InputError where that one has ended."""
        _reached(lambda: _group().send_object_list([what], dst=0))

    def taken_from(self, number: int) -> Any:
        """What another process hands over. Raises InputError where that one has ended."""
        found: list[Any] = [None]
        _reached(lambda: _group().recv_object_list(found, src=number))
        return found[0]


ALONE = Processes()


def refuse_several() -> None:
    """Raises InputError where a command that one process has to run was started several times."""
    if (count := Processes.started().count) > 1:
        raise InputError(
            f"the command must be started once, got {count} processes (srun, torchrun); start one, which itself starts "
            f"those that train (trainer.devices={count}); python -m neuronprobe.extract takes several."
        )


def _group() -> Any:
    import torch.distributed

    return torch.distributed


def _meeting(number: int, count: int) -> Any:
    """Where all find each other: at the first process, or where torchrun says. Raises InputError where one is late."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from torch.distributed.rendezvous import rendezvous

    nodes = os.environ.get("SLURM_STEP_NODELIST", os.environ.get("SLURM_NODELIST", "127.0.0.1"))
    os.environ.setdefault("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(nodes))
    os.environ.setdefault("MASTER_PORT", str(15_000 + int(os.environ.get("SLURM_JOB_ID", "0")[-4:])))
    found: list[Any] = []
    _reached(lambda: found.extend(next(rendezvous("env://", number, count, timeout=LATEST))))
    return found[0]


def _reached(call: Callable[[], Any]) -> None:
    try:
        call()
    except RuntimeError as error:
        raise InputError(
            "all processes of the extraction must go on, got one that has ended; what is extracted is kept: repeat the "
            "command."
        ) from error
