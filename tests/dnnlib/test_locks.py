# SPDX-License-Identifier: Apache-2.0
"""A lock is held by one at a time, and by nobody once its holder is gone."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from dnnlib import locks
from dnnlib.locks import FileLock

posix_only = pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL and fork")

HOLD = """
import sys, time
from dnnlib.locks import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock `l`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "l")], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_timeout_names_the_holder(tmp_path, holder):
    with (
        pytest.raises(TimeoutError, match=f"held by process {holder.pid} on "),
        FileLock(tmp_path / "l", timeout_s=0.1),
    ):
        pass


@posix_only
def test_a_killed_holder_frees_the_lock(tmp_path, holder):
    threading.Timer(0.3, holder.send_signal, [signal.SIGKILL]).start()
    start = time.monotonic()
    with FileLock(tmp_path / "l", timeout_s=10):
        assert time.monotonic() - start < 5
        assert (tmp_path / "l").read_text().startswith(f"process {os.getpid()} on ")


def test_a_long_wait_is_told_once(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE_S", 0.1)
    told = []
    with pytest.raises(TimeoutError), FileLock(tmp_path / "l", timeout_s=0.5, on_wait=told.append):
        pass
    assert len(told) == 1
    assert told[0].startswith(f"process {holder.pid} on ")


def _count(counter, lock, times):
    for _ in range(times):
        with lock:
            value = int(counter.read_text())
            time.sleep(0)  # Invites another to come between.
            counter.write_text(str(value + 1))


def test_threads_and_processes_come_one_after_another(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "POLL_S", 0.001)
    counter, path = tmp_path / "counter", tmp_path / "l"
    counter.write_text("0")
    shared = FileLock(path)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, args=(counter, FileLock(path), 20)) for _ in range(2)]
    threads = [threading.Thread(target=_count, args=(counter, lock, 20)) for lock in (shared, shared, FileLock(path))]
    for worker in processes + threads:
        worker.start()
    for worker in processes + threads:
        worker.join()
    assert counter.read_text() == "100"


def test_a_thread_that_would_wait_for_itself_is_told_so(tmp_path):
    lock = FileLock(tmp_path / "l")
    with lock, pytest.raises(RuntimeError, match="already holds"), lock:
        pass
    with lock:
        pass


def test_a_failing_block_releases_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), FileLock(tmp_path / "l"):
        raise ZeroDivisionError
    with FileLock(tmp_path / "l", timeout_s=0):
        pass


def test_no_open_file_is_left_behind(tmp_path):
    lock = FileLock(tmp_path / "l", timeout_s=0)
    for _ in range(3):
        with lock, pytest.raises(TimeoutError), FileLock(tmp_path / "l", timeout_s=0):
            pass
    assert not locks._open_files


@posix_only
def test_a_started_program_does_not_keep_the_lock(tmp_path):
    with FileLock(tmp_path / "l"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with FileLock(tmp_path / "l", timeout_s=1):
            pass
    finally:
        child.kill()
        child.wait()


@posix_only
def test_a_forked_child_does_not_outlive_its_killed_parent_as_holder(tmp_path):
    code = """
import os, sys, time
from dnnlib.locks import FileLock
with FileLock(sys.argv[1]):
    if os.fork() == 0:
        os.close(1)
        time.sleep(5)
        os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "l")], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    holder.kill()
    holder.communicate()
    with FileLock(tmp_path / "l", timeout_s=2):
        pass


@posix_only
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_that_leaves_the_block_does_not_release_the_lock(tmp_path):
    lock = FileLock(tmp_path / "l")
    with lock:
        child = os.fork()
        if child == 0:
            try:
                lock.__exit__(None, None, None)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        with pytest.raises(TimeoutError), FileLock(tmp_path / "l", timeout_s=0):
            pass


@posix_only
def test_a_copy_of_the_open_file_somewhere_does_not_keep_the_lock(tmp_path):
    with FileLock(tmp_path / "l"):
        copy = os.dup(next(iter(locks._open_files)))
    with FileLock(tmp_path / "l", timeout_s=0):
        os.close(copy)


@posix_only
def test_a_lock_on_a_file_that_was_deleted_is_not_taken_for_one(tmp_path, monkeypatch):
    path = tmp_path / "l"
    real, files = locks._lock_now, []

    def lock_what_was_just_deleted(file):
        if not files:
            path.unlink()
        files.append(file)
        return real(file)

    monkeypatch.setattr(locks, "_lock_now", lock_what_was_just_deleted)
    with FileLock(path):
        assert len(files) == 2
        with pytest.raises(TimeoutError), FileLock(path, timeout_s=0):
            pass
