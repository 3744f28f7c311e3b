# SPDX-License-Identifier: Apache-2.0
"""Short runs on twelve procedural heads."""

from collections.abc import Callable
from pathlib import Path

import torch

from configs import resolve
from training.data.making.building import build
from training.data.synthetic.items import MakeHead
from training.data.synthetic.settings import SyntheticSettings
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.trainer import Trainer
from training.watch import rows
from training.watch.rows import Row

CPU = torch.device("cpu")


def make_data(folder: Path) -> tuple[str, str]:
    images, masks = str(folder / "img.zip"), str(folder / "seg.zip")
    make = MakeHead(SyntheticSettings(resolution=32))
    build(make, 12, img_dest=images, seg_dest=masks, settings={}, workers=1, force=False, description="heads")
    return images, masks


def config_of(data: tuple[str, str], *assignments: str) -> RunConfig:
    images, masks = data
    few = ["loop.total_nimg=16", "loop.tick_nimg=4", "loop.snapshot_nimg=16", "critic.group_size=2"]
    return resolve("debug", [f"data.img_data={images}", f"data.seg_data={masks}", "data.workers=0", *few, *assignments])


def run(config: RunConfig, folder: Path, prepare: Callable[[Trainer], object] = lambda trainer: None) -> list[Row]:
    """Its rows. `prepare` may break the trainer first."""
    folder.mkdir(exist_ok=True)
    trainer = Trainer(config, RunFolder(folder), CPU)
    prepare(trainer)
    trainer.run()
    return list(rows.read(folder / "stats.jsonl"))
