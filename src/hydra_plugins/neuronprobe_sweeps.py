"""Around whatever sweeper and launcher a multirun has: what is finished is not run again, what failed is said.

Hydra takes plug-ins from this package only, and imports it whenever a command starts: nothing heavy up here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

PARTS = ("sweeper", "launcher")


class Sweeping(Callback):
    """Puts the two around a multirun's own sweeper and launcher, and holds how the jobs of this command ended."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []
        self.pace: Any = None
        self.job_ended: Callable[[], None] = lambda: None

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """After each job that runs in this process."""
        self.job_ended()

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Before Hydra makes the sweeper."""
        with open_dict(config):
            config.hydra.sweep.dir = str(config.hydra.sweep.dir)  # one time of day for all that is made of this
            for name, around in zip(PARTS, (Whole, Missing), strict=True):
                target = f"{around.__module__}.{around.__name__}"
                config.hydra[name] = {"_target_": target, "_recursive_": False, "inner": config.hydra[name]}


class _Around:
    """Sets up what it stands around, as Hydra would have."""

    def __init__(self, inner: DictConfig) -> None:
        self.given = inner

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra."""
        self.sweeping = next(one for one in hydra_context.callbacks.callbacks if isinstance(one, Sweeping))
        self.hydra_context, self.config = hydra_context, config
        own = config.copy()
        with open_dict(own):
            own.hydra[self.part] = self.given
        make = getattr(Plugins.instance(), f"instantiate_{self.part}")
        self.inner = make(hydra_context=hydra_context, task_function=task_function, config=own)

    part = ""


class Whole(_Around, Sweeper):
    """The sweep: refused before its first job where a choice can't be composed; ends with what became of its jobs."""

    part = "sweeper"

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra."""
        self._params = self.given.get("params") or {}
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        """Sweep, then join the jobs. Raises SystemExit(1) where one failed, InputError as `refuse_objective` does."""
        from neuronprobe.jobs.pace import Pace
        from neuronprobe.sweeps import close, count_jobs, refuse_choices, refuse_objective

        words = [*(f"{name}={value}" for name, value in self._params.items()), *arguments]
        if _optimises(self.config):
            refuse_objective(self.config.get("objective"), self.given, words)
        loader = self.hydra_context.config_loader
        refuse_choices(words, self.config, loader)
        self.sweeping.pace = Pace(count_jobs(words, loader, self.given.get("n_trials")))
        try:
            found = self.inner.sweep(arguments)
        except Exception:
            if not any(job.error for job in self.sweeping.jobs):
                raise
        if close(Path(self.config.hydra.sweep.dir), self.sweeping.jobs):
            raise SystemExit(1)
        return found


class Missing(_Around, Launcher):
    """Launches the jobs that no folder of the sweep has finished, each in the folder of its configuration."""

    part = "launcher"

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """The returns of all jobs, of finished ones as they were."""
        from neuronprobe.sweeps import as_failed, launch

        compose = self.hydra_context.config_loader.load_sweep_config
        configs = [compose(self.config, list(overrides)) for overrides in job_overrides]
        sweeping = self.sweeping if str(self.given["_target_"]).endswith(".BasicLauncher") else None
        pace = self.sweeping.pace
        jobs, returns = launch(self.inner, configs, job_overrides, initial_job_idx, pace, sweeping)
        self.sweeping.jobs += jobs
        return [as_failed(one) for one in returns] if _optimises(self.config) else returns


def _optimises(config: DictConfig) -> bool:
    """Whether the sweeper of a multirun, which may be around another, reads what jobs return."""
    sweeper = config.hydra.sweeper
    return not str(sweeper.get("inner", sweeper)["_target_"]).endswith(".BasicSweeper")
