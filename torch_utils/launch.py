# SPDX-License-Identifier: Apache-2.0
"""Several processes on this machine: what `--gpus N` starts is torchrun, with settings that work without a network."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def launch(num_procs: int, command: Sequence[str]) -> int:
    """Run `command` in `num_procs` processes under torchrun and return its exit code.

    `command` is a whole command line, interpreter first. SIGINT and SIGTERM go to the processes themselves: they may
    save, in their own time, and end with status 0, which torchrun then returns. When one process fails, torchrun ends
    the others and names it.
    """
    if num_procs < 1:
        raise ValueError(f"{num_procs} processes cannot run anything: give at least 1.")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    # A session of its own, so that Ctrl-C reaches torchrun once: from here.
    process = subprocess.Popen(
        [*torchrun, f"--nproc-per-node={num_procs}", "--no-python", "--", *command],
        env=environment(num_procs),
        start_new_session=True,
    )
    previous = {number: signal.signal(number, lambda got, _: _forward(process.pid, got)) for number in _FORWARDED}
    try:
        code = process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def environment(num_procs: int) -> dict[str, str]:
    """This process's environment, with what `num_procs` processes on one machine need where the user has not said."""
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    defaults = {"OMP_NUM_THREADS": str(max(num_cores // num_procs, 1))}
    # gloo takes the interface of the host's name, which containers and laptops often cannot reach.
    loopbacks = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    if loopbacks:
        defaults["GLOO_SOCKET_IFNAME"] = loopbacks[0]
    return defaults | dict(os.environ)


_FORWARDED = (signal.SIGINT, signal.SIGTERM)


def _forward(torchrun: int, number: int) -> None:
    # torchrun itself ends with an error when it gets a signal, whatever becomes of its processes.
    for pid in _children(torchrun) or [torchrun]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(parent: int) -> list[int]:
    """None where the operating system has no /proc to look in."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # Gone meanwhile.
            after_name = stat.read_text().rpartition(")")[2].split()
            if int(after_name[1]) == parent:
                children.append(int(stat.parent.name))
    return children
