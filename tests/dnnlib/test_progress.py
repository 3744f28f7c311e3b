# SPDX-License-Identifier: Apache-2.0
"""Progress is shown seldom enough to be read, and shows what is true."""

import itertools
import logging
import os
import re
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnnlib import console
from dnnlib import progress as progress_module
from dnnlib.progress import describe, progress


class Clock:
    """A time that passes only when told to."""

    def __init__(self):
        self.now_s = 1000.0

    def monotonic(self):
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    monkeypatch.setattr(console._Shared, "rank", 0)
    monkeypatch.setattr(console._Shared, "level", logging.INFO)
    return clock


def slowly(clock, items, seconds):
    for item in items:
        clock.now_s += seconds
        yield item


# What is shown.


def test_a_status_says_how_far_how_fast_and_how_long():
    assert describe(120, 1000, 4, "img", False) == "120/1000 img (12%), 30 img/s, 29s left"
    assert describe(1000, 1000, 29, "img", True) == "1000/1000 img (100%), 34.5 img/s, took 29s"
    assert describe(2, 100, 10, "img", False) == "2/100 img (2%), 5s/img, 8m10s left"
    assert describe(5, None, 10, "it", False) == "5 it, 2s/it"
    assert describe(0, 0, 0, "it", True) == "0/0 it, took 0s"
    assert describe(0, 10, 3, "it", False) == "0/10 it (0%)"
    assert describe(2**30, 2**31, 2, "B", False) == "1 GiB/2 GiB (50%), 512 MiB/s, 2s left"
    assert describe(900, 1000, 10, "img", False, 880) == "900/1000 img (90%), 2 img/s, 50s left"


@given(st.integers(0, 10**15), st.none() | st.integers(0, 10**15), st.floats(0, 1e8), st.booleans())
def test_a_status_never_fails_and_never_promises_more_than_all(done, total, elapsed_s, is_last):
    for unit in ("it", "B"):
        text = describe(done, total, elapsed_s, unit, is_last)
        assert "-" not in text.replace("e-", "")
        assert all(int(percent) <= 100 for percent in re.findall(r"\((-?\d+)%\)", text))


# When it is shown, without a terminal.


def test_short_work_is_silent(clock, capsys):
    assert list(progress(slowly(clock, range(9), 0.1), "work")) == list(range(9))
    assert capsys.readouterr().err == ""


def test_long_work_shows_its_first_and_last_line_and_few_between(clock, capsys):
    with progress(600, "[work]", "img") as bar:
        for _ in slowly(clock, range(600), 0.1):
            bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("[work]: 10/600 img (1%), 10 img/s")
    assert lines[-1] == "[work]: 600/600 img (100%), 10 img/s, took 1m"
    assert len(lines) == 1 + 59 // 5 + 1


def test_what_was_done_before_took_no_time_now(clock, capsys):
    with progress(1000, "work", "img", done_before=900) as bar:
        for _ in slowly(clock, range(4), 1):
            bar.advance(5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "work: 905/1000 img (90%), 5 img/s, 19s left"
    assert lines[-1] == "work: 920/1000 img (92%), 5 img/s, took 4s"


def test_one_long_unit_shows_a_last_line(clock, capsys):
    with progress(None, "work"):
        clock.now_s += 100
    assert capsys.readouterr().err == "work: 0 it, took 1m40s\n"


def test_other_ranks_are_silent(clock, capsys, monkeypatch):
    monkeypatch.setattr(console._Shared, "rank", 1)
    assert list(progress(slowly(clock, range(3), 10), "work")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_nothing_is_shown_where_warnings_alone_are_wanted(clock, capsys):
    console.setup_logging(level="WARNING")
    assert list(progress(slowly(clock, range(3), 10), "work")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_interrupted_work_shows_how_far_it_came(clock, capsys, stop):
    def fail():
        for i in progress(slowly(clock, range(10), 1), "work"):
            if i == 4:
                raise stop

    with pytest.raises(stop):
        fail()
    # Something of the fifth unit was done, but it was not finished.
    assert "4 it" in capsys.readouterr().err.splitlines()[-1]


def test_a_loop_that_is_left_early_ends_its_progress(clock, capsys):
    for i in progress(slowly(clock, itertools.count(), 2), "work"):
        if i == 2:
            break
    assert capsys.readouterr().err.endswith("took 6s\n")


def test_work_goes_on_when_nobody_reads_its_progress(clock, monkeypatch):
    calls = []

    def broken(*_, **__):
        calls.append(1)
        raise BrokenPipeError

    monkeypatch.setattr(console.shared_console(), "print", broken)
    assert len(list(progress(slowly(clock, range(50), 1), "work"))) == 50
    assert len(calls) == 1


def test_impossible_amounts_are_refused():
    with pytest.raises(ValueError, match="amount of work for 'x' is -1"):
        progress(-1, "x")
    with pytest.raises(AssertionError, match="use `with`"):
        iter(progress(3, "x")).__next__()


def test_a_list_of_nothing_is_fine(clock, capsys):
    assert list(progress([], "work")) == []
    assert capsys.readouterr().err == ""


# On a terminal.

LOOP = """
import sys, time
from dnnlib.console import get_logger, setup_logging
from dnnlib.progress import progress
setup_logging()
for i in progress(range(2), "outer [x]"):
    for _ in progress(range(5), "inner", unit="img"):
        time.sleep(0.03)
    get_logger("x").info("round %d", i)
print("stopping", flush=True)
if "hang" in sys.argv:
    with progress(10, "hang") as bar:
        bar.advance()
        time.sleep(60)
"""

HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"


class OnTerminal:
    """A program whose stderr is a pseudo-terminal."""

    def __init__(self, *arguments):
        pty = pytest.importorskip("pty")
        self._terminal, theirs = pty.openpty()
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "RANK": "0"}
        environment.pop("NO_COLOR", None)
        command = [sys.executable, "-c", LOOP, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
        os.close(theirs)
        self.shown = b""

    def read_until(self, words):
        while words not in self.shown:
            try:
                self.shown += os.read(self._terminal, 4096)
            except OSError:  # The program has ended.
                return self.shown
        return self.shown

    def close(self):
        self.process.kill()
        self.process.communicate()
        os.close(self._terminal)


def test_a_bar_moves_on_a_terminal_and_log_lines_stand_above_it():
    program = OnTerminal()
    shown = program.read_until(b"never shown").decode()
    assert program.process.wait() == 0
    program.close()
    assert "outer [x]" in shown
    assert "round 0" in shown
    assert "5/5 img (100%)" in shown
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).strip())
    assert re.search(r"^outer \[x\] .*2/2 it \(100%\), .* took ", lines[-1])
    assert "\x1b[1A" in shown  # It goes up to draw over itself.


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_a_stopped_program_leaves_the_cursor_visible(signal_name):
    program = OnTerminal("hang")
    program.read_until(b"1/10 it")
    program.process.send_signal(getattr(signal, signal_name))
    shown = program.read_until(b"never shown")
    program.close()
    assert HIDE in shown, "the test must see the cursor being hidden to tell something"
    assert shown.rindex(SHOW) > shown.rindex(HIDE)
