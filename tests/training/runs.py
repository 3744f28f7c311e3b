# SPDX-License-Identifier: Apache-2.0
"""Real trainings in processes of their own, on a dozen heads of 32 x 32, and whether two of them ended the same."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tests.processes import Process
from torch_utils import checkpoint
from training.data.making.building import build
from training.data.synthetic.items import MakeHead
from training.data.synthetic.settings import SyntheticSettings
from training.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--no-python")
EVERYTHING = (
    "augment.mode=adaptive",
    "augment.interval_nimg=8",
    "augment.ramp_nimg=64",
    "loss.style_mixing=0.5",
    "loss.density=0.25",
    "loss.r1_every=2",
    "critic.group_size=2",
    "schedule.blur_nimg=1000",
)
# What rows of stats.jsonl say of the machine, not of the run.
_OF_THE_MACHINE = ("elapsed_s", "tick_s", "images_per_s", "data_wait", "memory_gib")


def make_heads(folder: Path) -> tuple[str, str]:
    """Archives of images and of masks."""
    images, masks = str(folder / "img.zip"), str(folder / "seg.zip")
    make = MakeHead(SyntheticSettings(resolution=32))
    build(make, 12, img_dest=images, seg_dest=masks, settings={}, workers=1, force=False, description="heads")
    return images, masks


def command(heads: tuple[str, str], run: Path, *assignments: str) -> list[str]:
    """Saves after every step; a tick every second one."""
    images, masks = heads
    fields = (
        *(f"data.img_data={images}", f"data.seg_data={masks}", "data.workers=0", "device=cpu"),
        *("loop.batch=4", "loop.tick_nimg=8", "loop.snapshot_nimg=4", "loop.keep_every_nimg=null"),
        *EVERYTHING,
        *assignments,
    )
    return [sys.executable, str(ROOT / "train.py"), "--cfg=debug", f"--run={run}", *(f"--set={x}" for x in fields)]


_SETTINGS = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}


def start(line: list[str], output: Path) -> subprocess.Popen:
    """In the background. What it says is added to the file."""
    with output.open("a") as said:
        return subprocess.Popen(line, env=os.environ | _SETTINGS, stdout=said, stderr=subprocess.STDOUT)


def start_script(line: list[str], output: Path) -> Process:
    """The same for a Python script, without the seconds that importing PyTorch takes. All have one hash seed."""
    program = f"import runpy, sys; sys.argv = {line[1:]!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    return Process(program, os.environ | _SETTINGS, output)


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 150.0, pause_s: float = 0.002) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {timeout_s:g} s in vain for {what}"
        time.sleep(pause_s)


def num_starts(run: Path) -> int:
    """How often a training has begun or gone on in this folder."""
    log = run / "log.txt"
    return log.read_text().count("Run folder:") if log.exists() else 0


def children(parent: int) -> list[int]:
    """Processes that this one has started."""
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        found += [int(pid) for pid in task.read_text().split()]
    return found


def assert_same(a: Path, b: Path) -> None:
    """Saves and statistics, bit by bit, but for times."""
    one, other = RunFolder(a), RunFolder(b)
    assert one.saves() == other.saves()
    for nimg in one.saves():
        for path, twin in ((one.networks(nimg), other.networks(nimg)), (one.state(nimg), other.state(nimg))):
            expected, found = checkpoint.read(path), checkpoint.read(twin)
            assert expected.tensors.keys() == found.tensors.keys()
            for name, x in expected.tensors.items():
                assert torch.equal(x, found.tensors[name]), f"{path.name}: {name}"
        headers = [checkpoint.read(folder.state(nimg)).header for folder in (one, other)]
        for header in headers:
            header["progress"].pop("elapsed_s")
            header.pop("networks_digest")  # Of a file that says how long the run has taken.
        assert headers[0] == headers[1]
    assert _rows(one.stats) == _rows(other.stats)
    assert not list(b.glob(".*.tmp"))


def _rows(path: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in _OF_THE_MACHINE} for row in rows]
