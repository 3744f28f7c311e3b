# SPDX-License-Identifier: Apache-2.0
"""Rows, pictures and the configuration for TensorBoard, where the package `tensorboard` is installed."""

from pathlib import Path
from typing import Any, final

from dnnlib.console import get_logger
from dnnlib.drawing import RGBPicture
from training.watch.history import numbers
from training.watch.rows import Row

log = get_logger(__name__)

_GROUP = "run"  # Of numbers without a group of their own.


@final
class TensorBoard:
    """Writes event files into a folder; does nothing without the package."""

    def __init__(self, folder: Path, config_json: str, *, start_nimg: int) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (an optional package)
        except ImportError:
            log.info("Nothing is written for TensorBoard; for that, `pip install tensorboard`.")
            return
        # Events of images that are trained on once more are hidden.
        self._writer = SummaryWriter(str(folder), purge_step=start_nimg + 1 if start_nimg else None)
        self._writer.add_text("config", f"```json\n{config_json}\n```", start_nimg)

    def row(self, row: Row) -> None:
        """All numbers of a row of stats.jsonl."""
        if self._writer is None:
            return
        for name, value in numbers(row):
            self._writer.add_scalar(name if "/" in name else f"{_GROUP}/{name}", value, row["nimg"])
        self._writer.flush()

    def picture(self, name: str, picture: RGBPicture, nimg: int) -> None:
        """A sheet."""
        if self._writer is not None:
            self._writer.add_image(name, picture, nimg, dataformats="HWC")

    def close(self) -> None:
        """Writes what is left."""
        if self._writer is not None:
            self._writer.close()
