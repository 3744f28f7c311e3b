# SPDX-License-Identifier: Apache-2.0
"""Trainings that are asked to stop: they save, end well, and go on as if they had not."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.training.runs import TORCHRUN, assert_same, command, num_starts, start, wait_until
from training.run_folder import RunFolder

LONG = ("loop.total_nimg=4000", "loop.snapshot_nimg=4000")  # So that nothing is saved but by the stop.


def in_the_middle(line: list[str], run: Path) -> subprocess.Popen:
    process = start(line, run.with_suffix(".txt"))
    try:
        wait_until(lambda: (run / "stats.jsonl").exists() or process.poll() is not None, "the first tick")
        assert process.poll() is None, run.with_suffix(".txt").read_text()
    except BaseException:
        end(process)
        raise
    return process


def end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


@pytest.mark.slow
def test_ctrl_c_saves_and_the_run_goes_on_exactly(heads: tuple[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = in_the_middle(command(heads, run, *LONG), run)
    try:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        end(process)
    (stopped,) = RunFolder(run).saves()
    assert f"Stopped at {stopped} images and saved." in run.with_suffix(".txt").read_text()
    total = f"loop.total_nimg={stopped + 4}"
    for name in ("run", "straight"):
        assert start(command(heads, tmp_path / name, *LONG, total), tmp_path / "out.txt").wait(60) == 0
    RunFolder(run).remove(stopped)
    assert_same(tmp_path / "straight", run)


def test_a_signal_to_two_ranks_saves_once_and_ends_well(heads: tuple[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = in_the_middle([*command(heads, run, *LONG), "--gpus=2"], run)
    try:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, run.with_suffix(".txt").read_text()
    finally:
        end(process)
    assert len(RunFolder(run).saves()) == 1
    assert "Stopped at" in run.with_suffix(".txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ranks_of_a_stopped_torchrun_save(heads: tuple[str, str], tmp_path: Path, number: int) -> None:
    run = tmp_path / "run"
    # Workers that load data are in the process group of their rank, which gets the signal too.
    line = command(heads, run, *LONG, "data.workers=1")
    process = in_the_middle([*TORCHRUN, "--nproc-per-node=2", "--", *line], run)
    try:
        process.send_signal(number)
        process.wait(60)  # With an error of its own: torchrun takes no other end for a signal.
    finally:
        end(process)
    assert len(RunFolder(run).saves()) == 1
    assert "Stopped at" in run.with_suffix(".txt").read_text()
    assert "LoaderError" not in run.with_suffix(".txt").read_text()


def test_a_signal_while_it_starts_ends_it_well(heads: tuple[str, str], tmp_path: Path) -> None:
    run, output = tmp_path / "run", tmp_path / "run.txt"
    process = start(command(heads, run, *LONG), output)
    try:
        wait_until(lambda: _catches(process.pid, signal.SIGTERM), "the handler")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        end(process)
    assert "there is nothing to save" in output.read_text()
    assert num_starts(run) == 0


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait_for_the_step(heads: tuple[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    # Steps of many seconds.
    line = command(heads, run, "loop.batch=4", "loop.total_nimg=4000", "generator.renderer.num_coarse=400")
    process = start(line, run.with_suffix(".txt"))
    try:
        wait_until(lambda: num_starts(run) > 0, "the start")
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        time.sleep(1.2)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) != 0
    finally:
        end(process)


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(mask >> (number - 1) & 1)
