"""TensorBoard: curves, the configuration as hyperparameters with what came of it, tables and pictures."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger

from neuronprobe.errors import InputError
from neuronprobe.tracking.about import About
from neuronprobe.tracking.left import Left, Sheet

MOST_LINES = 50
"""Of a table: TensorBoard shows text."""


class TensorBoard(TensorBoardLogger):
    """Lightning's logger; `tensorboard --logdir outputs` shows all jobs below a folder."""

    def __init__(self, save_dir: str, name: str = "", version: str = "tensorboard") -> None:
        """Raises InputError where TensorBoard is not installed."""
        if importlib.util.find_spec("tensorboard") is None:
            raise InputError(
                "logger=tensorboard must have TensorBoard, got none; pip install 'neuronprobe[tensorboard]'."
            )
        super().__init__(save_dir, name=name, version=version, default_hp_metric=False)
        self._config: Mapping[str, Any] = {}

    def begin(self, about: About) -> None:
        """Keep the configuration: TensorBoard takes it once, with the numbers that it led to."""
        self._config = {"name": about.name, **about.config}

    def show(self, left: Left) -> None:
        """Hyperparameters with the headline numbers, tables as text, pictures."""
        self.log_hyperparams(dict(self._config), dict(left.headline))
        self.experiment.add_text("verdict", str(left.results.get("verdict")))
        for sheet in left.sheets:
            self.experiment.add_text(f"tables/{sheet.name}", _markdown(sheet))
        for path in left.pictures:
            self.experiment.add_image(
                f"figures/{path.stem}", np.array(Image.open(path).convert("RGB")), dataformats="HWC"
            )

    def end(self, is_ok: bool) -> None:
        """Write what is not written yet."""
        self.finalize("success" if is_ok else "failed")


def _markdown(sheet: Sheet) -> str:
    lines = [sheet.columns, ["---"] * len(sheet.columns), *sheet.lines[:MOST_LINES]]
    return "\n".join(f"| {' | '.join('' if cell is None else str(cell) for cell in line)} |" for line in lines)
