# SPDX-License-Identifier: Apache-2.0
"""A training over two machines: two network namespaces with addresses of their own, and torchrun's rendezvous between.

Nothing is shared but the folder of the run, which only the first machine's first rank reads and writes.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor

from tests.training.runs import TORCHRUN, children, command, num_starts, start, wait_until
from torch_utils import checkpoint
from training.run_folder import RunFolder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PORT = 29411
# Of two ranks against one process, after a few steps in float32.
TOLERANCE = 2e-3


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def nodes() -> Iterator[list[tuple[list[str], str, str]]]:
    """For each of two: what to put before a command, the network interface, the address."""
    if shutil.which("ip") is None:
        pytest.skip("there is no `ip` here to make network namespaces with")
    names = [f"fh{os.getpid()}{letter}" for letter in "ab"]
    made = []
    try:
        try:
            for name in names:
                ip("netns", "add", name)
                made.append(name)
            ip("link", "add", "fh0", "netns", names[0], "type", "veth", "peer", "name", "fh0", "netns", names[1])
            for number, name in enumerate(names, start=1):
                ip("-n", name, "address", "add", f"10.77.31.{number}/24", "dev", "fh0")
                ip("-n", name, "link", "set", "fh0", "up")
                ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
        yield [(["ip", "netns", "exec", name], "fh0", f"10.77.31.{n}") for n, name in enumerate(names, start=1)]
    finally:
        for name in made:
            ip("netns", "delete", name)


def start_nodes(
    nodes: list[tuple[list[str], str, str]], line: list[str], folder: Path, max_restarts: int = 0
) -> list[subprocess.Popen]:
    rendezvous = ["--nnodes=2", "--nproc-per-node=1", f"--max-restarts={max_restarts}", "--rdzv-backend=c10d"]
    rendezvous += [f"--rdzv-endpoint={nodes[0][2]}:{PORT}", "--rdzv-id=heads"]
    started = []
    for number, (prefix, interface, address) in enumerate(nodes):
        # torchrun looks for its own address under the name of the host, which both nodes share here.
        host = f"--rdzv-conf=is_host={int(number == 0)}"
        own = ["env", f"GLOO_SOCKET_IFNAME={interface}", *TORCHRUN[:3], *rendezvous, host, f"--local-addr={address}"]
        started.append(start([*prefix, *own, "--no-python", "--", *line], folder / f"node{number}.txt"))
    return started


def end(started: list[subprocess.Popen]) -> None:
    for node in started:
        node.terminate()
    for node in started:
        node.wait(60)


def said(folder: Path) -> str:
    return "\n".join((folder / f"node{number}.txt").read_text() for number in range(2))


def networks(run: Path, nimg: int) -> dict[str, Tensor]:
    return checkpoint.read(RunFolder(run).networks(nimg)).tensors


def test_two_nodes_train_what_one_does(
    nodes: list[tuple[list[str], str, str]], heads: tuple[str, str], tmp_path: Path
) -> None:
    total = ("loop.total_nimg=8", "augment.mode=fixed")
    started = start_nodes(nodes, command(heads, tmp_path / "two", *total), tmp_path)
    try:
        assert [node.wait(120) for node in started] == [0, 0], said(tmp_path)
    finally:
        end(started)
    assert start(command(heads, tmp_path / "one", *total), tmp_path / "one.txt").wait(60) == 0
    expected, found = networks(tmp_path / "one", 8), networks(tmp_path / "two", 8)
    assert max((found[key] - x).abs().max().item() for key, x in expected.items()) < TOLERANCE


def test_a_node_whose_rank_is_killed_comes_back(
    nodes: list[tuple[list[str], str, str]], heads: tuple[str, str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    started = start_nodes(nodes, command(heads, run, "loop.total_nimg=120"), tmp_path, max_restarts=2)
    try:
        wait_until((run / "stats.jsonl").exists, "the first tick", 120)
        (torchrun,) = children(started[1].pid) if _is_wrapper(started[1].pid) else (started[1].pid,)
        os.kill(children(torchrun)[0], signal.SIGKILL)
        assert [node.wait(200) for node in started] == [0, 0], said(tmp_path)
    finally:
        end(started)
    assert num_starts(run) in (2, 3)  # Each node may notice for itself, and that counts as another loss.
    assert RunFolder(run).saves()[0] == 120


def _is_wrapper(pid: int) -> bool:
    """Whether `ip` has started the command rather than become it."""
    return Path(f"/proc/{pid}/comm").read_text().strip() == "ip"
