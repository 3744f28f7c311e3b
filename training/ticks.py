# SPDX-License-Identifier: Apache-2.0
"""What a run says of itself every so many images: one line, and one row of stats.jsonl."""

import time
from collections.abc import Mapping
from typing import final

import torch

from dnnlib.console import get_logger
from dnnlib.text import format_bytes, format_count, format_duration
from torch_utils import distributed
from torch_utils.stats import Collector, Moments
from training.data.loader import Loader
from training.run_folder import RunFolder
from training.watch import rows
from training.watch.memory import memory_gib
from training.watch.rows import Row

log = get_logger(__name__)

# In the line, by what they are called there.
_SHOWN = {
    "G": "G/adversarial",
    "D fake": "D/fake",
    "D real": "D/real",
    "R1": "D/r1_image",
    "score fake": "scores/fake",
    "real": "scores/real",
    "|gG|": "G/gradient_norm",
    "|gD|": "D/gradient_norm",
}


@final
class Ticks:
    """Collects, prints and writes."""

    def __init__(
        self,
        folder: RunFolder,
        stats: Collector,
        loader: Loader,
        device: torch.device,
        *,
        start_nimg: int,
        elapsed_s: float,
    ) -> None:
        self.folder = folder
        self.stats = stats
        self.loader = loader
        self.device = device
        self._last_s, self._last_nimg = time.monotonic(), start_nimg
        self._start_s = self._last_s - elapsed_s

    @property
    def elapsed_s(self) -> float:
        """Of the whole run, over all its sessions."""
        return time.monotonic() - self._start_s

    def report(self, nimg: int, extra: Mapping[str, float]) -> Row:
        """The row; the main rank writes it. Every rank must call it."""
        moments = self.stats.collect()  # Waits for the device, so the time below is that of finished work.
        waited = self.loader.wait_share()
        now_s = time.monotonic()
        seconds, images = now_s - self._last_s, nimg - self._last_nimg
        self._last_s, self._last_nimg = now_s, nimg
        memory = memory_gib(self.device)
        row = {
            "nimg": nimg,
            "elapsed_s": round(self.elapsed_s, 3),
            "tick_s": round(seconds, 3),
            "images_per_s": round(images / max(seconds, 1e-9), 3),
            "data_wait": round(waited, 4),
            "memory_gib": None if memory is None else round(memory, 3),
            **extra,
            "stats": {name: _row(moment) for name, moment in moments.items()},
        }
        if distributed.is_main():
            rows.append(self.folder.stats, row)
            log.info(_line(row, moments))
        return row


def _row(moment: Moments) -> dict[str, float | int | None]:
    row = {"num": moment.num, "mean": moment.mean, "std": moment.std}
    if moment.num == 0:
        row |= {"mean": None, "std": None}
    return row | ({"num_nonfinite": moment.num_nonfinite} if moment.num_nonfinite else {})


def _line(row: Row, moments: Mapping[str, Moments]) -> str:
    parts = [
        f"{row['nimg'] / 1000:g} kimg",
        format_duration(row["elapsed_s"]),
        f"{format_count(row['images_per_s'])} img/s",
        f"data wait {100 * row['data_wait']:.0f} %",
    ]
    if row["memory_gib"] is not None:
        parts.append(format_bytes(row["memory_gib"] * 2**30))
    if "augment_p" in row:
        parts.append(f"p {row['augment_p']:.3g}")
    parts += [f"{short} {moments[name].mean:.3g}" for short, name in _SHOWN.items() if name in moments]
    return ", ".join(parts)
