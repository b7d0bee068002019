"""MLflow: one run for each job, in a database that all jobs share."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping

from pytorch_lightning.loggers import MLFlowLogger
from pytorch_lightning.utilities import rank_zero_only

from neuronprobe.errors import InputError
from neuronprobe.tracking.about import About
from neuronprobe.tracking.left import Left


class MLflow(MLFlowLogger):
    """Lightning's logger with the names that MLflow takes; `mlflow ui` beside the database shows all jobs."""

    def __init__(self, tracking_uri: str, experiment_name: str = "neuronprobe", run_name: str | None = None) -> None:
        """`tracking_uri` is a database or a server. Raises InputError where MLflow is not installed."""
        if importlib.util.find_spec("mlflow") is None:
            raise InputError("logger=mlflow must have MLflow, got none; pip install 'neuronprobe[mlflow]'.")
        super().__init__(experiment_name=experiment_name, tracking_uri=tracking_uri, run_name=run_name)

    def begin(self, about: About) -> None:
        """Start the run; its configuration are its parameters."""
        self._run_name = self._run_name or about.name
        self.tags = {"sweep": about.group} if about.group else None
        self.log_hyperparams(dict(about.config))

    def show(self, left: Left) -> None:
        """Headline numbers, what results.json says of the job as tags, files and pictures."""
        self.log_metrics(left.headline)
        for name, value in left.summary.items():
            if isinstance(value, str):
                self.experiment.set_tag(self.run_id, name, value)
        for path in (*left.files, *left.pictures):
            self.experiment.log_artifact(self.run_id, str(path))

    def end(self, is_ok: bool) -> None:
        """Close the run: finished or failed."""
        self.finalize("success" if is_ok else "failed")

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Names have no % and no = in MLflow: `top/10 percent`, `l1 0.001`."""
        known = {re.sub(r"[^\w/. -]", " ", name.replace("%", " percent")): value for name, value in metrics.items()}
        super().log_metrics(known, step)
