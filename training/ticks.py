# SPDX-License-Identifier: Apache-2.0
"""What a run says of itself every so many images: one line, and one row of stats.jsonl."""

import json
import time
from collections.abc import Mapping
from typing import final

import torch

from dnnlib.console import get_logger
from dnnlib.text import format_count, format_duration
from torch_utils import distributed
from torch_utils.stats import Collector, Moments
from training.data.loader import Loader
from training.run_folder import RunFolder

log = get_logger(__name__)


@final
class Ticks:
    """Collects, prints and writes."""

    def __init__(
        self, folder: RunFolder, stats: Collector, loader: Loader, device: torch.device, elapsed_s: float
    ) -> None:
        self.folder = folder
        self.stats = stats
        self.loader = loader
        self.device = device
        self._start_s = time.monotonic() - elapsed_s
        self._last_s, self._last_nimg = time.monotonic(), None

    @property
    def elapsed_s(self) -> float:
        """Of the whole run, over all its sessions."""
        return time.monotonic() - self._start_s

    def report(self, nimg: int, extra: Mapping[str, float]) -> None:
        """Every rank must call it."""
        moments = self.stats.collect()
        waited = self.loader.wait_share()
        now_s = time.monotonic()
        seconds, self._last_s = now_s - self._last_s, now_s
        images = None if self._last_nimg is None else nimg - self._last_nimg
        self._last_nimg = nimg
        if not distributed.is_main():
            return
        row = {
            "nimg": nimg,
            "elapsed_s": round(self.elapsed_s, 3),
            "tick_s": round(seconds, 3),
            "images_per_s": None if images is None else round(images / seconds, 3),
            "data_wait": round(waited, 4),
            **extra,
            "stats": {name: _row(moment) for name, moment in moments.items()},
        }
        with open(self.folder.stats, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        log.info(_line(row, moments))


def _row(moment: Moments) -> dict[str, float | int | None]:
    row = {"num": moment.num, "mean": moment.mean, "std": moment.std}
    if moment.num == 0:
        row |= {"mean": None, "std": None}
    return row | ({"num_nonfinite": moment.num_nonfinite} if moment.num_nonfinite else {})


def _line(row: Mapping[str, object], moments: Mapping[str, Moments]) -> str:
    shown = {
        "G": "G/adversarial",
        "D fake": "D/fake",
        "D real": "D/real",
        "R1": "D/r1_image",
        "|gG|": "G/gradient_norm",
        "|gD|": "D/gradient_norm",
    }
    parts = [f"{int(row['nimg']) / 1000:.1f} kimg", format_duration(float(row["elapsed_s"]))]
    if row["images_per_s"]:
        parts.append(f"{format_count(float(row['images_per_s']))} img/s")
    parts.append(f"data wait {100 * float(row['data_wait']):.0f} %")
    parts += [f"{short} {moments[name].mean:.3g}" for short, name in shown.items() if name in moments]
    return ", ".join(parts)
