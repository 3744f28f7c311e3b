# SPDX-License-Identifier: Apache-2.0
"""Trainings that are killed at any moment, and end as if they had not been."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.processes import Process
from tests.training.runs import (
    TORCHRUN,
    assert_same,
    children,
    command,
    num_starts,
    start,
    start_script,
    wait_until,
)
from training.run_folder import RunFolder


def uninterrupted(line: list[str], folder: Path) -> None:
    output = folder / "straight.txt"
    process = start(line, output)
    try:
        assert process.wait(200) == 0, output.read_text()
    finally:
        process.terminate()  # torchrun ends its ranks.
        process.wait(60)


def wait_for_start(process: subprocess.Popen | Process, run: Path, before: int) -> None:
    """Until there are more starts than before, or the process has ended."""
    wait_until(lambda: num_starts(run) > before or process.poll() is not None, "the start", 120)


def wait_for_a_save(process: Process, run: Path) -> None:
    """Or there is nothing to go on from; or the process has ended."""
    wait_until(lambda: bool(RunFolder(run).saves()) or process.poll() is not None, "a save", 120)


def wait_for_a_moment(moments: random.Random, run: Path) -> None:
    """Some time into a step; or while a file is being written."""
    if moments.random() < 0.5:
        time.sleep(moments.uniform(0.0, 1.0))
    else:
        what = moments.choice(["networks", "state"])
        wait_until(lambda: any(run.glob(f".{what}-*.tmp")), "a save", pause_s=0.0005)


def killed_and_gone_on(line: list[str], run: Path, num_kills: int, seed: int) -> None:
    """`line` is started again after each kill, until it ends by itself."""
    moments, output = random.Random(seed), run.with_suffix(".txt")
    for _ in range(num_kills):
        before = num_starts(run)
        process = start_script(line, output)
        try:
            wait_for_start(process, run, before)
            wait_for_a_save(process, run)
            wait_for_a_moment(moments, run)
        finally:
            process.kill()
        assert process.wait() == -signal.SIGKILL, output.read_text()
    assert start_script(line, output).wait(200) == 0, output.read_text()


def test_a_training_that_was_killed_ends_as_one_that_was_not(heads: tuple[str, str], tmp_path: Path) -> None:
    uninterrupted(command(heads, tmp_path / "straight", "loop.total_nimg=24"), tmp_path)
    killed_and_gone_on(command(heads, tmp_path / "killed", "loop.total_nimg=24"), tmp_path / "killed", 1, seed=5)
    assert "Going on from image" in (tmp_path / "killed.txt").read_text()
    assert_same(tmp_path / "straight", tmp_path / "killed")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_training_killed_a_dozen_times_ends_as_one_that_was_not(heads: tuple[str, str], tmp_path: Path) -> None:
    total = "loop.total_nimg=360"
    uninterrupted(command(heads, tmp_path / "straight", total), tmp_path)
    killed_and_gone_on(command(heads, tmp_path / "killed", total), tmp_path / "killed", 12, seed=2)
    assert_same(tmp_path / "straight", tmp_path / "killed")


def brought_back_by_torchrun(line: list[str], run: Path, num_kills: int, seed: int) -> None:
    """One of two ranks is killed, again and again; nobody but torchrun starts them anew."""
    moments, output = random.Random(seed), run.with_suffix(".txt")
    torchrun = start([*TORCHRUN, "--nproc-per-node=2", f"--max-restarts={num_kills}", "--", *line], output)
    try:
        for number in range(num_kills):
            wait_for_start(torchrun, run, number)
            wait_for_a_moment(moments, run)
            assert torchrun.poll() is None, output.read_text()
            os.kill(moments.choice(children(torchrun.pid)), signal.SIGKILL)
        assert torchrun.wait(500) == 0, output.read_text()
    finally:
        torchrun.terminate()
        torchrun.wait(60)
    assert num_starts(run) == num_kills + 1


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_ranks_one_of_which_is_killed_ten_times_end_as_two_that_were_not(
    heads: tuple[str, str], tmp_path: Path
) -> None:
    total = "loop.total_nimg=240"
    straight = command(heads, tmp_path / "straight", total)
    uninterrupted([*TORCHRUN, "--nproc-per-node=2", "--", *straight], tmp_path)
    brought_back_by_torchrun(command(heads, tmp_path / "killed", total), tmp_path / "killed", 10, seed=3)
    assert_same(tmp_path / "straight", tmp_path / "killed")
