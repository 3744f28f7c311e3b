# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import socket

import pytest

from tests.processes import Process
from torch_utils.ops import native, toolchain
from torch_utils.ops.__main__ import OPERATORS


class Ranks:
    """Processes that run one program as the ranks of one gloo run on this machine, without torchrun."""

    def __init__(self, folder: pathlib.Path, program: str, num_ranks: int, start: range | None = None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.processes = {}
        for rank in start or range(num_ranks):
            settings = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": num_ranks, "MASTER_PORT": port}
            settings |= {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": 1, "GLOO_SOCKET_IFNAME": "lo"}
            env = os.environ | {name: str(value) for name, value in settings.items()}
            self.processes[rank] = Process(program, env, folder / f"rank{rank}.txt")

    def output(self, rank: int) -> str:
        return self.processes[rank].text

    def codes(self) -> list[int]:
        return [process.wait() for process in self.processes.values()]


@pytest.fixture(scope="module")
def start_ranks(tmp_path_factory):
    """Start a program as ranks; whatever still runs at the end of the module is killed."""
    started = []

    def start(program: str, num_ranks: int, **settings) -> Ranks:
        started.append(Ranks(tmp_path_factory.mktemp("ranks"), program, num_ranks, **settings))
        return started[-1]

    yield start
    for ranks in started:
        for process in ranks.processes.values():
            process.end()


@pytest.fixture(scope="session")
def native_cpu() -> None:
    """Every CPU kernel serves. Only a machine without the tools may skip: a build that fails is a failure."""
    tools = toolchain.find()
    if not tools.can_build:
        pytest.skip(f"The native kernels cannot be built here. {' '.join(tools.missing)}")
    for op in OPERATORS:
        assert native.why_not(op, "cpu") is None
