# SPDX-License-Identifier: Apache-2.0
"""Whole runs of a few steps: what they end with depends on nothing but their configuration."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from configs import resolve
from dnnlib.config import ConfigError
from tests.training.runs import make_heads
from training.objective import interleaved
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.schedules import passed
from training.trainer import Trainer

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
    return make_heads(tmp_path_factory.mktemp("heads"))


def config_of(data: tuple[str, str], *assignments: str) -> RunConfig:
    images, masks = data
    return resolve("debug", [f"data.img_data={images}", f"data.seg_data={masks}", "data.workers=0", *assignments])


def tensors_of(trainer: Trainer) -> dict[str, Tensor]:
    players = trainer.state.players
    networks = {"G": players.generator, "D": players.critic, "G_ema": players.average}
    return {f"{name}.{key}": x for name, network in networks.items() for key, x in network.state_dict().items()}


def test_a_part_that_does_not_divide_the_share_is_refused(data: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loop\.part: 3 images .* a divisor of 8"):
        Trainer(config_of(data, "loop.batch=8", "loop.part=3"), RunFolder(tmp_path), CPU)
    with pytest.raises(ConfigError, match=r"critic\.group_size: .* compares 4 images .* a divisor of 6"):
        Trainer(config_of(data, "loop.batch=6", "critic.group_size=4"), RunFolder(tmp_path), CPU)


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
