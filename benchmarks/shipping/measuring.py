# SPDX-License-Identifier: Apache-2.0
"""The numbers of a card, by calc_metrics.py's own code: distances in every mode, and once what no mode changes."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from metrics.command import Request, run
from metrics.names import parse
from metrics.pictures import Mode

MODES: tuple[Mode, ...] = ("all", "front", "back", "random")


class Amounts(NamedTuple):
    """How much is generated."""

    pictures: int = 2000  # For a distance.
    heads: int = 128  # For what is measured head by head.

    @property
    def distances(self) -> list[str]:
        return [f"fd{self.pictures}_headnet", f"kd{self.pictures}_headnet", f"fd{self.pictures}_thumbs"]

    @property
    def of_heads(self) -> list[str]:
        return [f"{kind}{self.heads}" for kind in ("id", "maskmse", "depth", "raw", "mirror", "shift")]


def measure(weights: Path, img_data: str, mirror: bool, amounts: Amounts, device: torch.device) -> dict[str, Any]:
    """By mode, or under "heads", and by the name of the metric."""
    found: dict[str, dict[str, Any]] = {}
    for mode in MODES:
        of_heads = amounts.of_heads if mode == "all" else []
        names = [*amounts.distances, *of_heads]
        rows = run(_request(weights, img_data, mirror, mode, names), device)
        for row in rows:
            place = "heads" if row["metric"] in of_heads else mode
            kept = {key: row[key] for key in ("value", "spread", "counts")}
            found.setdefault(place, {})[row["metric"]] = kept
    return found


def _request(weights: Path, img_data: str, mirror: bool, mode: Mode, names: list[str]) -> Request:
    return Request(
        network=str(weights),
        wanted=tuple(map(parse, names)),
        img_data=img_data,
        seg_data=None,
        mirror=mirror,
        mode=mode,
        seed=0,
        batch=16,
        detectors=(),
        outdir=None,
        delta=None,
        precision=None,
    )
