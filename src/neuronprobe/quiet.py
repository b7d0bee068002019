"""What libraries say about themselves, left out."""

from __future__ import annotations

import logging
import warnings

import torch

NOISE = (
    "treespec, LeafSpec",
    "smaller than the logging interval",
    "does not have many workers",
    "IterableDataset",
    "sync_dist=True",
    "exists and is not empty",
    "no `val_dataloader`",
    "litlogger",
)


def quiet() -> None:
    """Silence them; and float32 means float32, also on a GPU."""
    torch.set_float32_matmul_precision("highest")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for noise in NOISE:
        warnings.filterwarnings("ignore", message=f".*{noise}.*")
