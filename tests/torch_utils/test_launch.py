# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from torch_utils import launch

ROOT = pathlib.Path(__file__).parents[2]

AVERAGE = """
import os, torch
from torch_utils import distributed
with distributed.session("cpu", timeout_s=60):
    values = [torch.tensor([float(distributed.rank())])]
    distributed.average_(values)
    line = f"mean {values[0].item()} of {distributed.world_size()} with {os.environ['OMP_NUM_THREADS']} threads"
    open(f"{FOLDER}/{distributed.rank()}.txt", "w").write(line)
"""


def test_torchrun_starts_ranks_that_find_each_other_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    program = AVERAGE.replace("{FOLDER}", str(tmp_path))
    assert launch.launch(2, [sys.executable, "-c", program]) == 0
    threads = launch.environment(2)["OMP_NUM_THREADS"]
    lines = [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)]
    assert lines == [f"mean 0.5 of 2 with {threads} threads"] * 2


RESTART = """
import os, signal, torch
from torch_utils import distributed
attempt = os.environ["TORCHELASTIC_RESTART_COUNT"]
with distributed.session("cpu", timeout_s=60, silence_s=20):
    values = [torch.ones(1)]
    for step in range(50):
        distributed.average_(values)
        if attempt == "0" and step == 25 and distributed.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    open(f"{FOLDER}/{distributed.rank()}.txt", "w").write(attempt)
"""


@pytest.mark.slow
def test_torchrun_can_start_all_ranks_again_after_one_was_killed(tmp_path):
    program = RESTART.replace("{FOLDER}", str(tmp_path))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    options = ["--nproc-per-node=2", "--max-restarts=1", "--no-python"]
    command = [*torchrun, *options, "--", sys.executable, "-c", program]
    environment = launch.environment(2) | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, timeout=120, env=environment)
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)] == ["1", "1"]


WAIT = """
import os, pathlib, time
pathlib.Path(f"{FOLDER}/{os.getpid()}.pid").touch()
time.sleep(300)
"""


def test_a_signal_ends_all_processes(tmp_path):
    program = WAIT.replace("{FOLDER}", str(tmp_path))
    start = (
        f"import sys; from torch_utils.launch import launch; sys.exit(launch(2, [sys.executable, '-c', {program!r}]))"
    )
    launcher = subprocess.Popen([sys.executable, "-c", start], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(40) != 0
    finally:
        launcher.kill()
        launcher.communicate()
    pids = [int(path.stem) for path in tmp_path.glob("*.pid")]
    wait_until(lambda: not any(map(is_running, pids)))


def test_the_users_own_settings_are_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth9")
    settings = launch.environment(2)
    assert (settings["OMP_NUM_THREADS"], settings["GLOO_SOCKET_IFNAME"]) == ("7", "eth9")


def test_cores_are_shared_and_nobody_gets_none(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    assert [launch.environment(n)["OMP_NUM_THREADS"] for n in (1, 5, 12, 100)] == ["12", "2", "1", "1"]


def test_no_processes_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        launch.launch(0, [sys.executable])


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
