# SPDX-License-Identifier: Apache-2.0
"""Short runs on twelve procedural heads."""

from collections.abc import Callable
from pathlib import Path

import torch

from configs import resolve
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.trainer import Trainer
from training.watch import rows
from training.watch.rows import Row

CPU = torch.device("cpu")
# Less than the smallest configuration: what is tested here is not the networks.
_TINY = (
    "generator.mapping.w_dim=12",
    "generator.mapping.z_dim=8",
    "generator.field.resolution=16",
    "generator.field.channel_base=128",
    "generator.field.channel_max=16",
    "generator.renderer.resolution=8",
    "generator.renderer.num_coarse=6",
    "generator.renderer.num_fine=5",
    "generator.background_channel_base=64",
    "critic.channel_base=128",
    "critic.channel_max=16",
    "critic.group_size=2",
)


def config_of(heads: tuple[str, str], *assignments: str) -> RunConfig:
    images, masks = heads
    sets = [f"data.img_data={images}", f"data.seg_data={masks}", "data.workers=0"]
    few = ["loop.total_nimg=16", "loop.tick_nimg=4", "loop.snapshot_nimg=16"]
    return resolve("debug", [*sets, *_TINY, *few, *assignments])


def run(config: RunConfig, folder: Path, prepare: Callable[[Trainer], object] = lambda trainer: None) -> list[Row]:
    """Its rows. `prepare` may break the trainer first."""
    folder.mkdir(exist_ok=True)
    trainer = Trainer(config, RunFolder(folder), CPU)
    prepare(trainer)
    trainer.run()
    return list(rows.read(folder / "stats.jsonl"))
