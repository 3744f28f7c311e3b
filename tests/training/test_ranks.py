# SPDX-License-Identifier: Apache-2.0
"""What a step gives does not depend on how its batch is split over processes and parts."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from torch import Tensor

from tests.processes import Ranks
from tests.training.runs import command, num_starts, start, wait_until
from torch_utils import checkpoint

# Three steps of 8 images in float64, with everything on. The networks of the main rank are written.
THREE_STEPS = """
import torch
from pathlib import Path
from configs import resolve
from torch_utils import checkpoint, distributed
from training.run_folder import RunFolder
from training.schedules import step_values
from training.trainer import Trainer

def tensors(trainer):
    players = trainer.state.players
    networks = {"G": players.generator, "D": players.critic, "G_ema": players.average}
    return {f"{name}.{key}": x for name, network in networks.items() for key, x in network.state_dict().items()}

def main(destination, *assignments):
    with distributed.session("cpu", timeout_s=60) as device:
        config = resolve("debug", ["loop.batch=8", "data.workers=0", *assignments])
        trainer = Trainer(config, RunFolder("unused"), device)
        players = trainer.state.players
        for network in (players.generator, players.critic, players.average):
            network.double()
        trainer.step.objective.dtype = torch.float64
        if distributed.is_main():
            checkpoint.write(destination + ".start", tensors(trainer), {})
        loader = trainer.loader(0)
        for nimg in (0, 8, 16):
            trainer.step(next(loader), nimg, step_values(trainer.config.schedule, 16, nimg))
        if distributed.is_main():
            checkpoint.write(destination, tensors(trainer), {"p": trainer.state.augmentation.p.item()})

"""
EVERYTHING = (
    *("augment.mode=fixed", "augment.p=0.5", "loss.style_mixing=0.5", "loss.density=0.25", "loss.r1_every=2"),
    *("loss.density_every=2", "schedule.blur_nimg=1000", "schedule.density_noise=1", "loss.background_swap=0.5"),
    "loss.label_noise=0.1",
)


def three_steps(heads: tuple[str, str], destination: Path, num_ranks: int, *assignments: str) -> checkpoint.Checkpoint:
    images, masks = heads
    fields = (f"data.img_data={images}", f"data.seg_data={masks}", *EVERYTHING, *assignments)
    folder = destination.with_suffix(".said")
    folder.mkdir()
    ranks = Ranks(folder, f"{THREE_STEPS}\nmain(*{[str(destination), *fields]!r})", num_ranks)
    assert ranks.codes() == [0] * num_ranks, "\n".join(map(ranks.output, ranks.processes))
    return checkpoint.read(destination)


def assert_close(expected: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    assert expected.keys() == found.keys()
    distance = {key: (found[key] - x).abs().max().item() for key, x in expected.items()}
    worst = max(distance, key=distance.get)
    assert distance[worst] < 1e-9, (worst, distance[worst])


def test_two_ranks_in_two_parts_each_make_the_step_of_one_process(heads: tuple[str, str], tmp_path: Path) -> None:
    whole, _ = three_steps(heads, tmp_path / "whole", 1, "critic.group_size=2")
    first, _ = checkpoint.read(tmp_path / "whole.start")
    moved = [key for key, x in whole.items() if (x - first[key]).abs().max() > 1e-4]
    assert len(moved) > 60  # Three steps of Adam are far more than the tolerance.
    assert_close(whole, three_steps(heads, tmp_path / "ranks", 2, "critic.group_size=2", "loop.part=2").tensors)


@pytest.mark.slow
def test_parts_and_ranks_alone_change_nothing_either(heads: tuple[str, str], tmp_path: Path) -> None:
    whole, _ = three_steps(heads, tmp_path / "whole", 1, "critic.group_size=2")
    assert_close(whole, three_steps(heads, tmp_path / "parts", 1, "critic.group_size=2", "loop.part=2").tensors)
    assert_close(whole, three_steps(heads, tmp_path / "ranks", 2, "critic.group_size=2").tensors)


@pytest.mark.slow
def test_two_ranks_in_parts_compare_the_same_images_and_adapt_alike(heads: tuple[str, str], tmp_path: Path) -> None:
    adaptive = ("augment.mode=adaptive", "augment.ramp_nimg=50", "augment.interval_nimg=8")
    for group, parts in ((4, ("loop.part=4",)), (2, ("loop.part=2",)), (1, ("loop.part=1",))):
        groups = f"critic.group_size={group}"
        whole = three_steps(heads, tmp_path / f"whole{group}", 1, groups, *adaptive)
        ranks = three_steps(heads, tmp_path / f"ranks{group}", 2, groups, *parts, *adaptive)
        assert_close(whole.tensors, ranks.tensors)
        assert 0 < whole.header["p"] == ranks.header["p"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.slow
def test_a_rank_that_dies_or_hangs_ends_the_training_by_name(
    heads: tuple[str, str], tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(_free_port()))
    monkeypatch.setenv("WORLD_SIZE", "2")
    line = command(heads, tmp_path / "run", "loop.total_nimg=4000")
    outputs = [tmp_path / f"{rank}.txt" for rank in range(2)]
    ranks = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        ranks.append(start(line, outputs[rank]))
    try:
        wait_until((tmp_path / "run/stats.jsonl").exists, "the first tick")
        os.kill(ranks[1].pid, number)
        killed_s = time.monotonic()
        assert ranks[0].wait(140) != 0
        limit_s = 15 if number == signal.SIGKILL else 90  # See docs/distributed.md; both cores may be busy.
        assert time.monotonic() - killed_s < limit_s
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    assert "rank 1 gave no sign of life" in outputs[0].read_text()
    assert num_starts(tmp_path / "run") == 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
