"""Weights & Biases: one run for each job, the same when the job is resumed; offline unless it is told otherwise."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from neuronprobe.errors import InputError, choice, number, one_line
from neuronprobe.tracking.about import About
from neuronprobe.tracking.left import Left, Sheet
from neuronprobe.writing import write_bytes

log = logging.getLogger(__name__)

LONGEST_NAME = 128
STAGING = "WANDB_DATA_DIR"
MODES = ("online", "offline", "disabled")
OFFLINE = "WANDB_MODE=offline keeps the run in the job's folder, and `wandb sync` sends it later"


class WeightsAndBiases(WandbLogger):
    """Lightning's logger with a run's whole life: named, resumed, shown, closed.

    The run's id lies in `save_dir/wandb`. An agent (WANDB_SWEEP_ID in the environment) names the run itself.
    """

    def __init__(
        self, save_dir: str, project: str = "neuronprobe", entity: str | None = None, mode: str | None = None,
        name: str | None = None, group: str | None = None, job_type: str | None = None, tags: Sequence[str] = (),
        notes: str | None = None, patience: float = 600,
    ) -> None:  # fmt: skip
        """`mode` is online, offline or disabled; None is online for an agent, else offline.

        A name or group that is not given is the job's. `patience` are the seconds that an upload may take at the end.
        """
        is_agent = bool(os.environ.get("WANDB_SWEEP_ID"))
        self._mode = choice("logger.wandb.mode", mode or ("online" if is_agent else "offline"), MODES)
        self._patience = number("logger.wandb.patience", patience, 0)
        self._folder, self._is_lost = Path(save_dir) / "wandb", False
        own: dict[str, Any] = {} if is_agent else {"project": project, "entity": entity, "id": self._known_id()}
        super().__init__(
            save_dir=save_dir, name=name, group=group, job_type=job_type, tags=list(tags), notes=notes, mode=self._mode,
            **own,
        )  # fmt: skip
        del self._wandb_init["anonymous"]  # Lightning's default, which W&B warns about

    def begin(self, about: About) -> None:
        """Start the run, keep its id, say where it is. Raises InputError without a key or a connection."""
        import wandb

        self._wandb_init["name"] = self._wandb_init["name"] or about.name[:LONGEST_NAME]
        self._wandb_init["group"] = self._wandb_init["group"] or about.group
        self._wandb_init["settings"] = wandb.Settings(
            silent=True, console="off", init_timeout=30, finish_timeout=self._patience, finish_timeout_raises=True
        )
        wandb.setup(settings=wandb.Settings(silent=True))  # what is said before a run has settings
        self._folder.mkdir(parents=True, exist_ok=True)  # where wandb can't write it would take another folder
        try:
            run = self.experiment
        except wandb.Error as error:
            raise InputError(
                f"logger.wandb.mode must be offline without a key or a connection, got {self._mode} "
                f"({one_line(error)}); `wandb login`, or {OFFLINE}."
            ) from error
        write_bytes(self._folder / "run_id", run.id.encode())
        self.log_hyperparams(dict(about.config))
        if self._mode != "disabled":
            log.info("Weights & Biases: %s", run.url if self._mode == "online" else f"wandb sync {self._run_folder}")

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """What W&B can't take any more, the job's folder has."""
        import wandb

        if self._is_lost:
            return
        try:
            super().log_metrics(metrics, step)
        except (OSError, wandb.Error) as error:
            self._is_lost = True
            log.warning("Weights & Biases takes no more (%s); the job goes on, all is in its folder.", one_line(error))

    def show(self, left: Left) -> None:
        """Summary, tables, pictures, and an artifact of the job's files; offline where the server is gone."""
        with _staged_in(self._folder):
            try:
                self._show(self.experiment, left)
            except Exception as error:
                if self._mode != "online":
                    raise
                self._go_offline(error)
                self._show(self.experiment, left)

    def _go_offline(self, error: Exception) -> None:
        """Close the run; what is left goes into another folder of the same run, to be sent later."""
        self._finish(self.experiment, is_ok=True)
        self._wandb_init |= {"id": self.experiment.id, "mode": "offline"}
        self._experiment, self._mode = None, "offline"
        log.warning(
            "Weights & Biases can't be reached (%s): wandb sync %s/*run-* sends all.", one_line(error), self._folder
        )

    def _show(self, run: Any, left: Left) -> None:
        import wandb

        run.summary.update(left.summary)
        run.log({f"figures/{path.stem}": wandb.Image(str(path)) for path in left.pictures} | left.headline)
        run.log({f"tables/{sheet.name}": _table(sheet) for sheet in left.sheets})  # these ask the server
        about = {"fingerprint": left.results.get("fingerprint"), "title": left.results.get("title")}
        artifact = wandb.Artifact(f"neuronprobe-{run.id}", type="neuronprobe", metadata=about)
        for path in left.files:
            artifact.add_file(str(path), policy="immutable")
        run.log_artifact(artifact)

    def end(self, is_ok: bool) -> None:
        """Close the run: finished or failed. What can't be sent stays in the job's folder."""
        if self._experiment is not None and not self._finish(self._experiment, is_ok):
            log.warning("Weights & Biases did not take all in time: wandb sync %s", self._run_folder)

    def _finish(self, run: Any, is_ok: bool) -> bool:
        """Close a run; whether it could send all within `patience`."""
        try:
            run.finish(exit_code=int(not is_ok))
        except TimeoutError:
            return False
        return True

    @property
    def _run_folder(self) -> Path:
        return Path(self.experiment.dir).parent

    def _known_id(self) -> str | None:
        """The id of the run that this folder's job began."""
        path = self._folder / "run_id"
        return path.read_text(encoding="utf-8").strip() if path.is_file() else None


@contextmanager
def _staged_in(folder: Path) -> Iterator[None]:
    """What is sent later waits in the job's folder, not in the user's."""
    before = os.environ.get(STAGING)
    os.environ[STAGING] = before or str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[STAGING]


def _table(sheet: Sheet) -> Any:
    import wandb

    return wandb.Table(columns=list(sheet.columns), data=[list(line) for line in sheet.lines], allow_mixed_types=True)
