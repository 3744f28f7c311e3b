# SPDX-License-Identifier: Apache-2.0
"""Whole runs of a few steps: what they end with depends on nothing but their configuration."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from configs import resolve
from training.data.making.building import build
from training.data.synthetic.items import MakeHead
from training.data.synthetic.settings import SyntheticSettings
from training.objective import interleaved
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.schedules import step_values
from training.trainer import Trainer, passed

CPU = torch.device("cpu")
EVERYTHING = (
    "augment.mode=fixed",
    "augment.p=0.5",
    "loss.style_mixing=0.5",
    "loss.density=0.25",
    "loss.r1_every=2",
    "critic.group_size=2",
    "schedule.blur_nimg=1000",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("heads")
    images, masks = str(folder / "img.zip"), str(folder / "seg.zip")
    settings = SyntheticSettings(resolution=32)
    make = MakeHead(settings)
    build(make, 12, img_dest=images, seg_dest=masks, settings={}, workers=1, force=False, description="heads")
    return images, masks


def config_of(data: tuple[str, str], *assignments: str) -> RunConfig:
    images, masks = data
    return resolve("debug", [f"data.img_data={images}", f"data.seg_data={masks}", "data.workers=0", *assignments])


def tensors_of(trainer: Trainer) -> dict[str, Tensor]:
    players = trainer.state.players
    networks = {"G": players.generator, "D": players.critic, "G_ema": players.average}
    return {f"{name}.{key}": x for name, network in networks.items() for key, x in network.state_dict().items()}


def test_a_step_does_not_depend_on_how_the_batch_is_split(data: tuple[str, str], tmp_path: Path) -> None:
    def after_three_steps(part: int) -> dict[str, Tensor]:
        trainer = Trainer(config_of(data, "loop.batch=8", f"loop.part={part}", *EVERYTHING), RunFolder(tmp_path), CPU)
        players = trainer.state.players
        for network in (players.generator, players.critic, players.average):
            network.double()
        trainer.step.objective.dtype = torch.float64
        loader = trainer.loader(0)
        for nimg in (0, 8, 16):
            trainer.step(next(loader), nimg, step_values(trainer.config.schedule, 16, nimg))
        return tensors_of(trainer)

    whole = after_three_steps(8)
    start = tensors_of(Trainer(config_of(data, "loop.batch=8", *EVERYTHING), RunFolder(tmp_path), CPU))
    moved = [key for key in whole if (whole[key] - start[key]).abs().max() > 1e-4]
    assert len(moved) > 60
    for part in (2, 4):
        for key, value in after_three_steps(part).items():
            assert (value - whole[key]).abs().max() < 1e-9, key


def test_a_run_that_was_stopped_ends_bit_by_bit_as_one_that_was_not(data: tuple[str, str], tmp_path: Path) -> None:
    config = config_of(data, "loop.total_nimg=24", "loop.snapshot_nimg=8", *EVERYTHING)
    straight = Trainer(config, RunFolder(tmp_path / "straight"), CPU)
    straight.folder.path.mkdir()
    assert straight.run() == 24
    stopped = RunFolder(tmp_path / "stopped")
    stopped.path.mkdir()
    for total in (8, 20, 24):
        Trainer(config_of(data, f"loop.total_nimg={total}", "loop.snapshot_nimg=8", *EVERYTHING), stopped, CPU).run()
    ended = Trainer(config, stopped, CPU)
    ended.run()
    expected = tensors_of(straight)
    assert all(torch.equal(expected[key], value) for key, value in tensors_of(ended).items())
    rows = map(json.loads, (stopped.path / "stats.jsonl").read_text().splitlines())
    last = [row for row in rows if "stats" in row][-1]
    assert last["nimg"] == 24
    assert {"G/adversarial", "D/real", "scores/fake", "G/gradient_norm"} <= last["stats"].keys()


def test_a_damaged_save_is_set_aside_and_the_one_before_is_used(data: tuple[str, str], tmp_path: Path) -> None:
    config = config_of(data, "loop.total_nimg=16", "loop.snapshot_nimg=8")
    folder = RunFolder(tmp_path)
    first = Trainer(config, folder, CPU)
    first.run()
    expected = tensors_of(first)
    content = bytearray(folder.state(16).read_bytes())
    content[-100] ^= 1
    folder.state(16).write_bytes(content)
    again = Trainer(config, folder, CPU)
    assert again.run() == 16
    assert all(torch.equal(expected[key], value) for key, value in tensors_of(again).items())
    assert list(tmp_path.glob("*.damaged"))


def test_neighbours_of_the_batch_are_compared() -> None:
    order = interleaved(8, 2)
    groups = {tuple(order[i::4].tolist()) for i in range(4)}  # A critic compares those that are equal modulo 4.
    assert groups == {(0, 1), (2, 3), (4, 5), (6, 7)}


def test_an_interval_is_passed_once() -> None:
    assert [nimg for nimg in range(4, 41, 4) if passed(nimg - 4, nimg, 10)] == [12, 20, 32, 40]
