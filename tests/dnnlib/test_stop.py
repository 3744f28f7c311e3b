# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dnnlib import stop
from dnnlib.stop import exit_cleanly_on_stop, stop_requests


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_handlers_come_back(number: int) -> None:
    before = signal.getsignal(number)
    with stop_requests() as asked:
        assert not asked.is_set()
        os.kill(os.getpid(), number)
        assert asked.is_set()
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "_SAME_REQUEST_S", 0.0)
    with stop_requests():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_one_ctrl_c_that_arrives_twice_and_a_second_sigterm_are_one_request() -> None:
    with stop_requests() as asked:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert asked.is_set()


def test_before_the_work_a_signal_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    hook = sys.unraisablehook
    try:
        exit_cleanly_on_stop()
        with pytest.raises(SystemExit) as caught:
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
    assert caught.value.code == 0
    assert "nothing to save" in capsys.readouterr().err


IN_A_DESTRUCTOR = """
import os, signal, sys
from dnnlib.stop import exit_cleanly_on_stop, stop_requests
exit_cleanly_on_stop()
class Dying:
    def __del__(self):
        {what}
{before}
Dying()
sys.exit(3)
"""
STOP = "os.kill(os.getpid(), signal.SIGTERM)"
WORK = "with stop_requests(): pass"


@pytest.mark.parametrize(
    ("what", "before", "code", "told"),
    [
        (STOP, "", 0, "nothing to save"),
        (STOP, WORK, 3, "nothing to save"),
        ("raise ValueError('as usual')", "", 3, "as usual"),
        ("sys.exit(5)", "", 3, "SystemExit: 5"),
    ],
)
def test_a_signal_that_comes_where_python_drops_exceptions_ends_it_before_the_work(
    what: str, before: str, code: int, told: str
) -> None:
    command = [sys.executable, "-c", IN_A_DESTRUCTOR.format(what=what, before=before)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, told in done.stderr) == (code, True)
