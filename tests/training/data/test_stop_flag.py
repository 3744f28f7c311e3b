# SPDX-License-Identifier: Apache-2.0
"""Who is killed while looking at the flag leaves it as it was."""

import multiprocessing
import os
import signal
import time

import pytest

from training.data.stop_flag import StopFlag, worker_context


def look_for_ever(flag):
    while True:
        flag.is_set()


def wait_for(flag):
    while not flag.is_set():
        time.sleep(0.01)


def test_it_is_set_once_and_stays_so():
    flag = StopFlag()
    assert not flag.is_set()
    flag.set()
    flag.set()
    assert flag.is_set()


@pytest.mark.timeout(60)  # With an event of multiprocessing the parent would wait for ever.
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_nobody_waits_for_one_who_was_killed_while_looking():
    flag = StopFlag()
    for _ in range(5):
        process = worker_context().Process(target=look_for_ever, args=(flag,))
        process.start()
        time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert not flag.is_set()
    flag.set()
    assert flag.is_set()


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_other_processes_see_it_however_they_are_started(method):
    flag = StopFlag()
    process = multiprocessing.get_context(method).Process(target=wait_for, args=(flag,))
    process.start()
    flag.set()
    process.join(timeout=60)
    assert process.exitcode == 0


def test_the_context_is_the_usual_one_but_for_its_events():
    usual = multiprocessing.get_context()
    ours = worker_context()
    assert isinstance(ours.Event(), StopFlag)
    assert ours.get_start_method() == usual.get_start_method()
    assert type(ours.Process) is type(usual.Process)
    assert not isinstance(usual.Event(), StopFlag)
