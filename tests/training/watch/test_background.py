# SPDX-License-Identifier: Apache-2.0
"""Work in the background is done in order and to the end, and its failures are told."""

import logging
import threading
import time

import pytest

from training.watch.background import Background


def test_tasks_are_done_in_order_and_all_before_the_end() -> None:
    done: list[int] = []
    background = Background(waiting=2)
    for i in range(20):
        background.do("count", lambda i=i: (time.sleep(0.001), done.append(i)))
    background.close()
    assert done == list(range(20))


def test_a_failure_is_told_and_the_next_task_is_done(caplog: pytest.LogCaptureFixture) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    done: list[str] = []
    background = Background()
    with caplog.at_level(logging.WARNING):
        background.do("write pictures", full)
        background.do("divide", lambda: 1 // 0)
        background.do("go on", lambda: done.append("done"))
        background.close()
    assert done == ["done"]
    assert "Could not write pictures: [Errno 28] No space left on device. The training goes on." in caplog.messages
    assert any(message.startswith("Could not divide") for message in caplog.messages)


def test_who_gives_too_much_work_waits() -> None:
    gate = threading.Event()
    background = Background(waiting=1)
    background.do("wait", lambda: gate.wait(10))
    given = threading.Thread(target=lambda: [background.do("nothing", lambda: None) for _ in range(3)])
    given.start()
    given.join(0.1)
    assert given.is_alive()
    gate.set()
    given.join(10)
    assert not given.is_alive()
    background.close()
