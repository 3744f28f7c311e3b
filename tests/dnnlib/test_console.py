# SPDX-License-Identifier: Apache-2.0
"""Rank 0 is heard, the others only when something is wrong, and the log file can be read line by line."""

import logging
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from dnnlib import console
from dnnlib.console import current_rank, get_logger, setup_logging

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture(autouse=True)
def restored():
    """Logging is global: leaves it as it was."""
    logger = logging.getLogger("fullhead")
    before = logger.level, logger.propagate, logger.handlers[:], console._Shared.rank
    yield
    for handler in logger.handlers:
        handler.close()
    logger.level, logger.propagate, logger.handlers[:], console._Shared.rank = before


def test_messages_reach_console_and_file(tmp_path, capsys):
    setup_logging(tmp_path / "new" / "log.txt")
    get_logger("training.trainer").info("loss %.1f [not markup]", 1.5)
    get_logger("training.trainer").debug("hidden")
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"\d\d:\d\d:\d\d loss 1\.5 \[not markup\]\n", err)
    line = (tmp_path / "new" / "log.txt").read_text()
    assert re.fullmatch(rf"{TIME} INFO training\.trainer: loss 1\.5 \[not markup\]\n", line)


def test_setting_up_twice_says_everything_once(tmp_path, capsys):
    for name in ("old.txt", "log.txt", "log.txt"):
        setup_logging(tmp_path / name)
    get_logger("x").warning("once")
    assert capsys.readouterr().err.count("once") == 1
    assert (tmp_path / "log.txt").read_text().count("once") == 1
    assert (tmp_path / "old.txt").read_text() == ""


def test_a_root_logger_that_somebody_set_up_does_not_repeat_us(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(sys.stderr)])
    setup_logging()
    get_logger("x").warning("once")
    assert capsys.readouterr().err.count("once") == 1


def test_a_log_file_is_continued_when_a_run_is(tmp_path):
    for word in ("first", "second"):
        setup_logging(tmp_path / "log.txt")
        get_logger("x").info(word)
    assert [line.split()[-1] for line in (tmp_path / "log.txt").read_text().splitlines()] == ["first", "second"]


def test_another_rank_is_heard_only_when_something_is_wrong(tmp_path, capsys):
    setup_logging(tmp_path / "log.txt", rank=3)
    get_logger("x").warning("unheard")
    get_logger("x").error("out of memory")
    assert re.fullmatch(r"\S+ ERROR rank 3 out of memory\n", capsys.readouterr().err)
    assert re.fullmatch(rf"{TIME} ERROR rank 3 x: out of memory\n", (tmp_path / "log.txt").read_text())


def test_only_the_first_line_of_a_message_starts_like_one(tmp_path):
    setup_logging(tmp_path / "log.txt")
    get_logger("x").info("one\ntwo\r\n2025-01-01 00:00:00 INFO x: forged\rthree\u2028four")
    try:
        raise ZeroDivisionError("bad\nluck")
    except ZeroDivisionError:
        get_logger("x").exception("failed")
    lines = (tmp_path / "log.txt").read_bytes().decode().split("\n")
    assert [line for line in lines if re.match(TIME, line)] == [lines[0], lines[5]]
    assert all(line.startswith("    ") for line in lines[1:5] + lines[6:-1])
    assert "ZeroDivisionError: bad" in "".join(lines)
    assert "\r" not in "".join(lines)


def test_a_long_line_is_not_broken_when_nobody_watches(capsys):
    setup_logging()
    get_logger("x").info("word " * 100)
    assert capsys.readouterr().err.count("\n") == 1


def test_an_empty_message_is_a_line(capsys):
    setup_logging()
    get_logger("x").info("")
    assert re.fullmatch(r"\S+\n", capsys.readouterr().err)


def test_levels_go_by_name_or_number_and_a_wrong_one_is_explained(capsys):
    for level in ("debug", logging.DEBUG):
        setup_logging(level=level)
        get_logger("x").debug("seen")
        assert capsys.readouterr().err.endswith("DEBUG seen\n")
    with pytest.raises(ValueError, match=r"'WARNIGN' is not a level .* perhaps WARNING"):
        setup_logging(level="WARNIGN")


def test_other_peoples_loggers_are_left_alone(capsys):
    before = logging.getLogger().handlers[:]
    setup_logging()
    assert logging.getLogger().handlers == before
    logging.getLogger("urllib3").info("not ours")
    assert "not ours" not in capsys.readouterr().err


def test_the_rank_is_the_one_set_up_else_the_environments(monkeypatch):
    monkeypatch.setattr(console._Shared, "rank", None)
    monkeypatch.setenv("RANK", "2")
    assert current_rank() == 2
    setup_logging(rank=1)
    assert current_rank() == 1


@pytest.mark.skipif(os.name == "nt", reason="needs pipes")
def test_a_program_goes_on_when_nobody_reads_what_it_says(tmp_path):
    code = """
import sys
from dnnlib.console import get_logger, setup_logging
from dnnlib.progress import progress
setup_logging(sys.argv[1])
sys.stdin.read()
for _ in progress(range(3), "work"):
    get_logger("x").info("line")
print("finished")
"""
    command = [sys.executable, "-c", code, str(tmp_path / "log.txt")]
    pipe = subprocess.PIPE
    program = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
    program.stderr.close()
    assert program.communicate()[0] == b"finished\n"
    assert (tmp_path / "log.txt").read_text().count("line") == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_can_speak_although_another_thread_was_speaking(capfd):
    setup_logging()
    speaking, finish = threading.Event(), threading.Event()

    def speak():
        with console.shared_console()._lock:
            speaking.set()
            finish.wait()

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    speaking.wait()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(5)  # Ends a child that waits for ever.
            get_logger("x").error("from the child")
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    finish.set()
    speaker.join()
    assert "from the child" in capfd.readouterr().err
