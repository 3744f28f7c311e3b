# SPDX-License-Identifier: Apache-2.0
"""Python programs in processes of their own, which start in a fraction of the time that it takes to import PyTorch.

They are forked from a server that has imported PyTorch and the operators' package, but has built, loaded and computed
nothing. Where nothing can be forked (Windows) they start as slowly as any.

What that hides: all have one hash seed, so that the order of a set of strings is the same in all; and they end without
the end of Python's interpreter, where libraries may crash. What is to show those is started by subprocess.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

TIME_LIMIT_S = 60

_CAN_FORK = "forkserver" in multiprocessing.get_all_start_methods()
_context = multiprocessing.get_context("forkserver" if _CAN_FORK else "spawn")
if _CAN_FORK:
    _context.set_forkserver_preload(["torch_utils.ops.selfcheck", "torch_utils.ops.__main__"])

# Every process prints to its own file, and sees the environment that it is given; but what libraries read when they are
# imported is the server's.
_PRELUDE = """
import json, os
if hasattr(os, "setsid"):
    os.setsid()
settings = json.loads(settings)
output = os.open(settings["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.dup2(output, 1)
os.dup2(output, 2)
os.environ.clear()
os.environ.update(settings["env"])
import torch
if os.environ.get("OMP_NUM_THREADS", "").isdecimal():
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # OpenMP has read the server's own.
"""


class Process:
    """One of them, begun, and what it printed."""

    def __init__(self, code: str, env: Mapping[str, str], output: Path) -> None:
        self._output = output
        settings = json.dumps({"env": dict(env), "output": str(output)})
        self._process = _context.Process(target=exec, args=(_PRELUDE + code, {"settings": settings}))
        self._process.start()
        self.pid = self._process.pid

    @property
    def lines(self) -> list[str]:
        """What it printed, but for the progress that shows on a busy machine."""
        text = self._output.read_text() if self._output.exists() else ""
        return [line for line in text.splitlines() if not line.startswith("Building the native operators")]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait(self, limit_s: float = TIME_LIMIT_S) -> int:
        """The exit code; negative for a signal. What hangs fails the test, and is ended."""
        try:
            self._process.join(limit_s)
            assert self.poll() is not None, f"process {self.pid} hung for {limit_s:g} s; it said: {self.text}"
        except BaseException:  # Also pytest's own limit: multiprocessing would wait for it at the end, for ever.
            self.end()
            raise
        return self.poll()

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        return self._process.exitcode

    def kill(self) -> None:
        """Kills it alone; the processes that it started go on."""
        self._process.kill()
        self._process.join()

    def end(self) -> None:
        """Kills it and its forks. What has a group of its own is left."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self.kill()


class Ranks:
    """Processes that run one program as the ranks of one gloo run on this machine, without torchrun."""

    def __init__(self, folder: Path, program: str, num_ranks: int, start: range | None = None):
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
        """Exit codes. If one hangs, what all have said."""
        deadline_s = time.monotonic() + 2 * TIME_LIMIT_S
        try:
            return [process.wait(max(deadline_s - time.monotonic(), 0)) for process in self.processes.values()]
        except AssertionError as hung:
            raise AssertionError("\n".join(map(self.output, self.processes))) from hung
        finally:
            self.end()

    def end(self) -> None:
        for process in self.processes.values():
            process.end()
